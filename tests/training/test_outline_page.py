"""The outline page in a browser: a point of a phantom's curve is dragged, saved, and found in the file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright
from tests.serving.web.chromium import ARGUMENTS, CHROMIUM

from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.model.radiograph import Side
from kneeoa.model.release import DEFAULT_RELEASE
from kneeoa.training.evaluate_joint_space import load_meter
from kneeoa.training.joint_outlines import JointOutline, read_outline
from kneeoa.training.outline_desk import OutlineDesk, desk_server, open_desk

NAME = "0000064R"
DOWN, RIGHT = 24, 4
"""Screen pixels that the point is dragged by."""
HALF_A_PIXEL = 0.5


@pytest.fixture
def desk(tmp_path: Path) -> OutlineDesk:
    crops = tmp_path / "crops"
    crops.mkdir()
    phantom = make_phantom(PhantomSpec(Side.RIGHT, 1, 64, (299, 299), None, False, 4.0, 5.0))
    Image.fromarray(np.round(phantom.pixels * 255).astype(np.uint8)).save(crops / f"{NAME}.png")
    return open_desk(crops, tmp_path / "outlines", load_meter(DEFAULT_RELEASE)[0], "A. Reader")


@pytest.fixture
def page(desk: OutlineDesk) -> Iterator[Page]:
    """The page in Chromium, and at the end no error in it and no request to elsewhere."""
    server = desk_server(desk, 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    wrong: list[str] = []
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            tab = browser.new_page(viewport={"width": 1400, "height": 1000})
            tab.set_default_timeout(60_000)
            tab.on("pageerror", lambda error: wrong.append(str(error)))
            tab.on("request", lambda sent: None if sent.url.startswith(f"{url}/") else wrong.append(sent.url))
            tab.goto(url)
            expect(tab.locator("#state")).to_have_text("proposed by the network", timeout=60_000)
            yield tab
            browser.close()
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
    assert wrong == []


def drag(page: Page, point: tuple[float, float], zoom: float) -> None:
    """Drags a point of the chosen curve with the mouse, in steps as a hand does."""
    canvas = page.locator("#canvas")
    canvas.scroll_into_view_if_needed()
    frame = canvas.bounding_box()
    assert frame is not None
    x, y = frame["x"] + (point[1] + 0.5) * zoom, frame["y"] + (point[0] + 0.5) * zoom
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + RIGHT, y + DOWN, steps=5)
    page.mouse.up()


def saved(page: Page, desk: OutlineDesk) -> JointOutline:
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#state")).to_have_text("drawn")
    return read_outline(desk.out / f"{NAME}.json")


def test_a_dragged_point_is_found_in_the_file(page: Page, desk: OutlineDesk) -> None:
    before = saved(page, desk)
    zoom = float(page.locator("#zoom").input_value())
    page.get_by_role("button", name="Plateau's floor").click()
    i = len(before.tibia) // 2
    drag(page, before.tibia[i], zoom)
    expect(page.locator("#state")).to_have_text("not saved")
    after = saved(page, desk)
    assert after.femur == before.femur
    assert len(after.tibia) == len(before.tibia)
    moved = np.array(after.tibia) - np.array(before.tibia)
    assert moved[i] == pytest.approx([DOWN / zoom, RIGHT / zoom], abs=HALF_A_PIXEL)
    assert (np.delete(moved, i, axis=0) == 0).all()
    assert (after.image, after.author) == (f"{NAME}.png", "A. Reader")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#state")).to_have_text("not saved")
    assert saved(page, desk).tibia == before.tibia
