"""A phantom's joint space is drawn over HTTP, kept without pixels, and judges the measurement."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import JsonValue

from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.model.errors import DatasetError
from kneeoa.model.radiograph import Side
from kneeoa.model.release import DEFAULT_RELEASE
from kneeoa.training.evaluate_joint_space import evaluate_joint_space, load_meter
from kneeoa.training.joint_outlines import JointOutline, read_outline, read_outlines, write_outline
from kneeoa.training.outline_desk import desk_server, open_desk

PHANTOM = make_phantom(PhantomSpec(Side.LEFT, 1, 61, (299, 299), None, False, 4.0, 5.0))


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crops")
    for name, pixels in (("0000061L", PHANTOM.pixels), ("0000062R", np.zeros((299, 299)))):
        Image.fromarray(np.round(pixels * 255).astype(np.uint8)).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "outlines"


@pytest.fixture
def port(crops: Path, out: Path) -> Iterator[int]:
    server = desk_server(open_desk(crops, out, load_meter(DEFAULT_RELEASE)[0], "A. Reader"), 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def ask(port: int, way: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    sent = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    try:
        connection.request(way, path, None if body is None else json.dumps(body), sent)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def opened(port: int, i: int) -> dict[str, JsonValue]:
    status, body = ask(port, "GET", f"/crops/{i}")
    assert status == 200
    found: dict[str, JsonValue] = json.loads(body)
    return found


def test_drawn_curves_are_kept_without_pixels_and_judge_the_measurement(
    port: int, crops: Path, out: Path, tmp_path: Path
) -> None:
    proposed = opened(port, 0)
    assert proposed["source"] == "network"
    curve = proposed["tibia"]
    assert isinstance(curve, list)
    order = np.argsort(PHANTOM.tibia_edge[:, 1])
    truth = PHANTOM.tibia_edge[order]
    moved = [[float(row), float(column)] for row, column in truth[::3]]
    status, _ = ask(port, "PUT", "/crops/0", {"femur": proposed["femur"], "tibia": moved, "subject": "another"})
    assert status == 200
    kept = read_outline(out / "0000061L.json")
    assert (kept.image, kept.subject, kept.side, kept.author) == ("0000061L.png", "0000061", Side.LEFT, "A. Reader")
    assert (kept.rows, kept.columns) == (299, 299)
    assert (out / "0000061L.json").stat().st_size < 20_000
    again = opened(port, 0)
    assert again["source"] == "drawn"
    assert again["tibia"] == moved
    said = evaluate_joint_space(DEFAULT_RELEASE, crops, out, tmp_path / "judged")
    medial = said["medial"]
    assert isinstance(medial, dict)
    assert medial["knees"] == 1
    assert float(str(medial["dice_mean"])) > 0.85
    assert "association" not in said


def test_list_tells_what_was_drawn_and_pictures_are_those_of_the_crops(port: int, out: Path) -> None:
    assert json.loads(ask(port, "GET", "/crops")[1]) == [
        {"name": "0000061L", "drawn": False},
        {"name": "0000062R", "drawn": False},
    ]
    write_outline(JointOutline(femur=((1, 1), (1, 9)), tibia=((5, 1), (5, 9))), out / "0000062R.json")
    assert json.loads(ask(port, "GET", "/crops")[1])[1]["drawn"]
    status, body = ask(port, "GET", "/crops/0/picture.png")
    assert status == 200
    assert body.startswith(b"\x89PNG")


def test_crop_without_a_joint_has_lines_to_begin_with(port: int) -> None:
    assert opened(port, 1)["source"] == "none"


def test_page_holds_all_it_needs(port: int) -> None:
    status, body = ask(port, "GET", "/")
    assert status == 200
    for word in (b"http:", b"https:", b"//cdn", b"@import"):
        assert word not in body


@pytest.mark.parametrize(
    ("way", "path", "body", "status"),
    [
        ("GET", "/crops/2", None, 404),
        ("GET", "/crops/../../secret", None, 404),
        ("GET", "/elsewhere", None, 404),
        ("PUT", "/elsewhere", {}, 404),
        ("PUT", "/crops/0", {"femur": [[1, 2]], "tibia": [[1, 2], [3, 4]]}, 400),
        ("PUT", "/crops/0", {"femur": [["a", 2], [1, 2]], "tibia": [[1, 2], [3, 4]]}, 400),
        ("PUT", "/crops/0", {"femur": [[1, 2], [1, 3]], "tibia": [[1, 2], [3, 4]], "pixels": [1]}, 400),
    ],
)
def test_wrong_requests_are_refused_and_write_nothing(
    port: int, out: Path, way: str, path: str, body: object, status: int
) -> None:
    assert ask(port, way, path, body)[0] == status
    assert list(out.iterdir()) == []


def test_page_of_another_host_gets_nothing(port: int, out: Path) -> None:
    whole = {"femur": [[1, 2], [1, 3]], "tibia": [[1, 2], [3, 4]]}
    assert ask(port, "GET", "/crops/0/picture.png", Host="elsewhere.example")[0] == 403
    assert ask(port, "PUT", "/crops/0", whole, Host="elsewhere.example")[0] == 403
    # Without a preflight another origin's page may send plain text only.
    assert ask(port, "PUT", "/crops/0", whole, Content_Type="text/plain")[0] == 400
    assert list(out.iterdir()) == []


def test_folders_that_cannot_be_drawn_on_are_named(tmp_path: Path) -> None:
    meter = load_meter(DEFAULT_RELEASE)[0]
    with pytest.raises(DatasetError, match="no picture"):
        open_desk(tmp_path, tmp_path / "out", meter, "")
    Image.new("L", (64, 64)).save(tmp_path / "0000063.png")
    with pytest.raises(DatasetError, match="L or R"):
        open_desk(tmp_path, tmp_path / "out", meter, "")


def test_outline_of_another_size_is_scaled_to_the_crop(tmp_path: Path) -> None:
    drawn = JointOutline(columns=20, rows=20, femur=((4, 0), (4, 19)), tibia=((9, 0), (9, 19)))
    write_outline(drawn, tmp_path / "0000001R.json")
    femur, tibia = read_outlines(tmp_path)["0000001R"].edges(40)
    assert femur[10:30] == pytest.approx(8.5)
    assert tibia[10:30] == pytest.approx(18.5)
