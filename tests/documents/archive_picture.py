"""The picture of an archive's report, light and dark; the archive is made up, no film is behind it."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from tests.serving.archive.made_archive import SHA256, MadeArchive
from tests.serving.web.chromium import ARGUMENTS, CHROMIUM

from kneeoa.serving.archive.report import write_report

FILES = 40_000
_WIDTH, _HEIGHT = 1040, 1440
_SECONDS_A_PART = 311
_COLOURS = 160
"""Of the palette: a page of flat colours needs no more."""


def draw_archive_report(images: Path) -> None:
    """Writes `archive-report.png`.

    Args:
        images: where it goes.
    """
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        layout = MadeArchive(FILES).write(Path(folder))
        for number, part in enumerate(sorted(layout.partition(SHA256).glob("part-*.parquet"))):
            when = 1.7e9 + _SECONDS_A_PART * number
            os.utime(part, (when, when))
        page = write_report(layout.root)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        light, dark = (_photograph(browser, page, scheme) for scheme in ("light", "dark"))
        browser.close()
    both = Image.new("RGB", (light.width + dark.width, light.height))
    both.paste(light)
    both.paste(dark, (light.width, 0))
    both.quantize(_COLOURS, dither=Image.Dither.NONE).save(images / "archive-report.png", optimize=True)


def _photograph(browser: Browser, path: Path, scheme: Literal["light", "dark"]) -> Image.Image:
    page = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT}, color_scheme=scheme)
    page.goto(path.as_uri())
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")
