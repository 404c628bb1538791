"""The page at /, from files beside the code: nothing is built, and nothing comes from elsewhere."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from fastapi import APIRouter, Request, Response

from kneeoa.serving.api.problems import Problem

router = APIRouter(include_in_schema=False)
FOLDER = Path(__file__).resolve().parents[1] / "web"
START = "index.html"
HEADERS = MappingProxyType(
    {
        # `no-cache`: asked for again each time, and mostly answered by 304, so that an upgrade is seen at once.
        "Cache-Control": "no-cache",
        "Content-Security-Policy": "; ".join(
            (
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                "img-src 'self' blob:",  # films are decoded from blobs
                "connect-src 'self'",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
                "require-trusted-types-for 'script'",
                "trusted-types 'none'",
            )
        ),
        "Vary": "Accept-Encoding",
    }
)
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the page, as it is sent."""

    raw: bytes
    zipped: bytes
    media_type: str
    tag: str


@cache
def files() -> dict[str, _File]:
    """Every file of the page by its name, read once: what is not among them cannot be asked for."""
    found: dict[str, _File] = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file() and path.suffix in _TYPES:
            raw = path.read_bytes()
            tag = f'"{hashlib.sha256(raw).hexdigest()[:20]}"'
            found[path.relative_to(FOLDER).as_posix()] = _File(
                raw, gzip.compress(raw, mtime=0), _TYPES[path.suffix], tag
            )
    return found


@router.get("/")
def start(request: Request) -> Response:
    """The page."""
    return _answer(request, START)


@router.get("/web/{name:path}")
def file(request: Request, name: str) -> Response:
    """A script, a style sheet or a drawing of the page."""
    return _answer(request, name)


def _answer(request: Request, name: str) -> Response:
    wanted = files().get(name)
    if wanted is None:
        raise Problem(404, "not_found", "The page has no such file.")
    headers = {**HEADERS, "ETag": wanted.tag}
    if request.headers.get("if-none-match") == wanted.tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(wanted.zipped, media_type=wanted.media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(wanted.raw, media_type=wanted.media_type, headers=headers)
