"""Pictures of the page and of the Secondary Capture: a real service on loopback, Chromium, synthetic films."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from pydicom import dcmread
from tests.serving.server import Server
from tests.serving.web.chromium import ARGUMENTS, CHROMIUM

FILMS = {
    "hand": ("--body-part", "HAND"),
    "replaced": ("--kind", "bilateral", "--seed", "2", "--implants", "0.5", "--long-side", "1000"),
    "one": ("--side", "L", "--grade", "4", "--seed", "8"),
    "mild": ("--kind", "bilateral", "--grade", "2", "--left-grade", "1", "--seed", "11", "--long-side", "1500"),
    "standing": ("--kind", "bilateral", "--grade", "0", "--left-grade", "3", "--seed", "26", "--long-side", "2000"),
}
"""The last one is the newest of the list, and the study that is opened."""
_WARM = """() => {
  const drawn = document.querySelector("canvas.warm");
  if (!drawn || !drawn.width) return false;
  const pixels = drawn.getContext("2d").getImageData(0, 0, drawn.width, drawn.height).data;
  return pixels.some((value, i) => i % 4 === 3 && value);
}"""
_PATIENCE_MS = 120_000


def kneeoa(*arguments: str | Path) -> None:
    """Runs a command."""
    subprocess.run([sys.executable, "-m", "kneeoa", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def draw_page(work: Path, images: Path) -> None:
    """Writes `page-*.png` and `secondary-capture.png`.

    Args:
        work: an empty folder.
        images: where the pictures go.
    """
    for name, options in FILMS.items():
        kneeoa("phantom", work / f"{name}.dcm", *options)
    with Server(work / "data") as service:
        for name in FILMS:
            service.stow((work / f"{name}.dcm").read_bytes()).raise_for_status()
            service.settle()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.set_default_timeout(_PATIENCE_MS)
            study = str(dcmread(work / "standing.dcm", stop_before_pixels=True).StudyInstanceUID)
            _photograph(page, service.url, study, images)
            browser.close()
    kneeoa("grade", work / "standing.dcm", "--sc", work / "sc")
    (capture,) = (work / "sc").glob("*.dcm")
    Image.fromarray(dcmread(capture).pixel_array).save(images / "secondary-capture.png", optimize=True)


def _photograph(page: Page, url: str, study: str, images: Path) -> None:
    page.goto(url)
    page.wait_for_function(f"() => document.querySelectorAll('tr[data-study]').length === {len(FILMS)}")
    page.wait_for_timeout(1000)
    page.screenshot(path=images / "page-list.png")
    page.goto(f"{url}/#/study/{study}")
    page.wait_for_selector("canvas[data-film]:not([data-film=''])")
    page.wait_for_timeout(1500)
    page.screenshot(path=images / "page-study.png")
    page.keyboard.press("t")
    page.click("text=Show >> nth=1")
    page.keyboard.press("h")
    page.wait_for_selector("canvas[data-full]")
    page.wait_for_function(_WARM)
    page.wait_for_timeout(1500)
    page.screenshot(path=images / "page-near.png")
    page.set_viewport_size({"width": 900, "height": 1120})
    page.goto(f"{url}/#/report/{study}")
    page.wait_for_selector(".frame svg")
    page.wait_for_timeout(1500)
    page.emulate_media(media="print")
    page.screenshot(path=images / "page-report.png", clip={"x": 0, "y": 0, "width": 900, "height": 780})
