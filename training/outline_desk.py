"""Where outlines are drawn: a page on this machine alone that shows one crop after another, `kneeoa outline`.

It listens on the loopback address, answers no request that names another host, and writes into one folder. Crops are
numbered, so that no path comes from the page.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import JsonValue, ValidationError

from kneeoa.datasets.grade_folders import PICTURE_SUFFIXES
from kneeoa.model.errors import DatasetError
from kneeoa.model.joint_space import JointSpaceMeter
from kneeoa.model.joint_widths import Floats
from kneeoa.model.picture import read_grey
from kneeoa.model.radiograph import Side
from kneeoa.training.joint_outlines import JointOutline, read_outline, write_outline

PAGE = Path(__file__).parent / "outline_page.html"
MOST_BYTES = 1_000_000
"""Of what the page may send."""
_POINTS = 27
"""Of a curve that the network proposes: few enough to be moved by hand."""
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src 'self'; connect-src 'self'"
)
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OutlineDesk:
    """What the page works on.

    Attributes:
        crops: pictures named `<subject><L or R>`, each name once.
        out: folder for the outlines.
        meter: proposes the curves to begin with.
        author: written into every outline.
    """

    crops: tuple[Path, ...]
    out: Path
    meter: JointSpaceMeter
    author: str

    def listed(self) -> list[JsonValue]:
        """Names of the crops, and which have an outline already."""
        return [{"name": path.stem, "drawn": self._file(i).is_file()} for i, path in enumerate(self.crops)]

    def opened(self, i: int) -> dict[str, JsonValue]:
        """A crop's outline, or what the network proposes where there is none."""
        if self._file(i).is_file():
            return {"source": "drawn", **_json(read_outline(self._file(i)))}
        crop = read_grey(self.crops[i])
        found = self.meter.measure(crop, self._side(i))
        if found.reason is not None:
            rows, columns = crop.shape
            level = [[rows * share, columns * at] for share in (0.45, 0.55) for at in (0.1, 0.9)]
            start: dict[str, JsonValue] = {"source": "none", "femur": [*level[:2]], "tibia": [*level[2:]]}
        else:
            start = {
                "source": "network",
                "femur": _thinned(found.femur_edge),
                "tibia": _thinned(found.tibia_edge),
                "plateau_ends": _points(found.plateau_ends),
            }
        return {"rows": crop.shape[0], "columns": crop.shape[1], "rim": [], **start}

    def keep(self, i: int, body: bytes) -> None:
        """Writes what the page sent.

        Raises:
            ValidationError: it is no outline.
        """
        sent = JointOutline.model_validate_json(body)
        crop, side = self.crops[i], self._side(i)
        rows, columns = read_grey(crop).shape
        known = {
            "image": crop.name,
            "subject": crop.stem[:-1].rstrip("_"),
            "side": side,
            "rows": rows,
            "columns": columns,
            "author": self.author,
        }
        write_outline(sent.model_copy(update=known), self._file(i))

    def picture(self, i: int) -> bytes:
        """A crop as PNG, its grey values spread over what lies in its middle."""
        crop = read_grey(self.crops[i])
        rows = len(crop)
        low, high = np.percentile(crop[rows // 4 : -rows // 4], (0.5, 99.5))
        shown = np.clip((crop - low) / max(float(high - low), 1e-3), 0, 1)
        stream = io.BytesIO()
        Image.fromarray(np.round(shown * 255).astype(np.uint8)).save(stream, "PNG")
        return stream.getvalue()

    def _file(self, i: int) -> Path:
        return self.out / f"{self.crops[i].stem}.json"

    def _side(self, i: int) -> Side:
        return Side(self.crops[i].stem[-1].upper())


def open_desk(folder: Path, out: Path, meter: JointSpaceMeter, author: str) -> OutlineDesk:
    """A desk with every crop below a folder.

    Raises:
        DatasetError: there is no crop, one does not tell its side, or two have one name.
    """
    crops = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
    if not crops:
        raise DatasetError(f"There is no picture below {folder}: give a folder of crops named <subject><L or R>.png.")
    for path in crops:
        if path.stem[-1].upper() not in ("L", "R"):
            raise DatasetError(f"{path.name} does not end in L or R: rename it <subject><side>.")
    if len({path.stem for path in crops}) < len(crops):
        raise DatasetError(f"Two crops below {folder} have one name: outlines are named as their crops.")
    out.mkdir(parents=True, exist_ok=True)
    return OutlineDesk(tuple(crops), out, meter, author)


def desk_server(desk: OutlineDesk, port: int) -> ThreadingHTTPServer:
    """The page's server on the loopback address; port 0 takes a free one. Not yet serving."""

    class Handler(_DeskHandler):
        pass

    Handler.desk = desk
    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


class _DeskHandler(BaseHTTPRequestHandler):
    desk: OutlineDesk

    def do_GET(self) -> None:
        """The page, the list, a crop's curves or its picture."""
        match self.path.strip("/").split("/"):
            case [""]:
                self._answer("text/html; charset=utf-8", PAGE.read_bytes)
            case ["crops"]:
                self._answer("application/json", lambda: json.dumps(self.desk.listed()).encode())
            case ["crops", number]:
                self._answer("application/json", lambda: json.dumps(self.desk.opened(self._number(number))).encode())
            case ["crops", number, "picture.png"]:
                self._answer("image/png", lambda: self.desk.picture(self._number(number)))
            case _:
                self._say(HTTPStatus.NOT_FOUND, "text/plain", b"There is no such page.")

    def do_PUT(self) -> None:
        """Keeps a crop's outline."""
        match self.path.strip("/").split("/"):
            case ["crops", number]:
                self._answer("application/json", lambda: self._kept(self._number(number)))
            case _:
                self._say(HTTPStatus.NOT_FOUND, "text/plain", b"There is no such page.")

    def _kept(self, number: int) -> bytes:
        # A page of another origin may send JSON only after a preflight, which is not answered here.
        length = int(self.headers.get("Content-Length", "0"))
        if self.headers.get_content_type() != "application/json" or not 0 < length <= MOST_BYTES:
            raise ValueError("an outline is JSON of at most a megabyte")
        self.desk.keep(number, self.rfile.read(length))
        return b"{}"

    def _number(self, text: str) -> int:
        if not text.isdecimal() or int(text) >= len(self.desk.crops):
            raise LookupError("There is no such crop.")
        return int(text)

    def _answer(self, kind: str, made: Callable[[], bytes]) -> None:
        host = self.headers.get("Host", "").rsplit(":", 1)[0]
        if host not in ("127.0.0.1", "localhost"):
            self._say(HTTPStatus.FORBIDDEN, "text/plain", b"Open the page at 127.0.0.1.")
            return
        try:
            body = made()
        except LookupError as error:
            self._say(HTTPStatus.NOT_FOUND, "text/plain", str(error).encode())
        except (ValidationError, ValueError) as error:
            self._say(HTTPStatus.BAD_REQUEST, "text/plain", f"Not kept: {error}".encode())
        else:
            self._say(HTTPStatus.OK, kind, body)

    def _say(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": _POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        with contextlib.suppress(ConnectionError):  # a page that went on to the next crop does not wait
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Says nothing: requests would fill the terminal."""


def _json(outline: JointOutline) -> dict[str, JsonValue]:
    said: dict[str, JsonValue] = outline.model_dump(mode="json")
    return said


def _points(points: Floats) -> list[JsonValue]:
    return [[round(float(row), 2), round(float(column), 2)] for row, column in points]


def _thinned(edge: Floats) -> list[JsonValue]:
    return _points(edge[np.unique(np.linspace(0, len(edge) - 1, _POINTS).round().astype(int))])
