"""What a reader sees in OHIF: the film, our Structured Report drawn on it, and the Secondary Capture.

    python tests/ohif/show.py FOLDER

A phantom film goes to a real Orthanc, from there through a real `kneeoa serve`, and its results come back. Chromium,
with WebGL in software, opens the study in OHIF over Orthanc's DICOMweb, and its screenshots go into the folder. All
servers run in a network of their own. Checked is that nothing is blank and that the grades are on the page: look at
the pictures besides.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Last, so that the repository's folders shadow nobody's packages.
sys.path.append(str(Path(__file__).parents[2]))

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright
from pydicom import dcmread
from tests.ohif.gateway import gateway
from tests.ohif.viewer import viewer
from tests.serving.apart import in_own_network
from tests.serving.pacs.orthanc_loop import KNEEOA, ORTHANC, WEB, found, orthanc
from tests.serving.server import Server, until
from tests.serving.web.chromium import ARGUMENTS, CHROMIUM

_SOFTWARE_WEBGL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
_FILM = ("--kind", "bilateral", "--grade", "0", "--left-grade", "3", "--seed", "26", "--long-side", "1500")
_PATIENCE_MS = 120_000
_INSIDE = "--inside"
_GRADES = ["Kellgren-Lawrence grade: 3.00 {grade}", "Kellgren-Lawrence grade:  {grade}"]
"""OHIF shows nothing where a number is 0: the right knee's grade."""
_GREY, _AMBER = ((90, 90, 90), (240, 240, 240)), ((235, 155, 15), (255, 195, 60))
"""Of bone and soft tissue; of the Secondary Capture's frames and grades."""


def main() -> None:
    """Fetches the viewer, and does the rest where there is no network but loopback."""
    folder = Path(sys.argv[-1]).resolve()
    if sys.argv[1] == _INSIDE:
        loop(Path(sys.argv[2]), folder)
        return
    folder.mkdir(parents=True, exist_ok=True)
    done = in_own_network([sys.executable, __file__, _INSIDE, str(viewer()), str(folder)])
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    sys.exit(done.returncode)


def loop(built: Path, folder: Path) -> None:
    """A film to the archive, its results back, and all of them in the viewer."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        film = work / "film.dcm"
        subprocess.run([sys.executable, "-m", "kneeoa", "phantom", str(film), *_FILM], check=True)
        study = str(dcmread(film, stop_before_pixels=True).StudyInstanceUID)
        peer = json.dumps([{"ae_title": "ARCHIVE", "host": "127.0.0.1", "port": ORTHANC}])
        settings = {"KNEEOA_PACS__PORT": str(KNEEOA), "KNEEOA_PACS__DESTINATIONS": peer}
        with orthanc(work / "orthanc") as archive:
            with Server(work / "data", settings):
                sent = ["/usr/bin/storescu", "-aec", "ARCHIVE", "127.0.0.1", str(ORTHANC), str(film)]
                subprocess.run(sent, check=True, timeout=60)
                until(lambda: len(found(archive, study, "SR")) == 1, 240)
            with gateway(built, f"http://127.0.0.1:{WEB}") as url:
                look(f"{url}/viewer?StudyInstanceUIDs={study}", folder)


def look(address: str, folder: Path) -> None:
    """Opens a study and takes its pictures: film, report, Secondary Capture."""
    with sync_playwright() as playwright:
        playwright.selectors.set_test_id_attribute("data-cy")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *_SOFTWARE_WEBGL])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(_PATIENCE_MS)
        page.goto(address)
        page.get_by_text("Skip all").click()  # the viewer's tour of itself
        expect(page.get_by_test_id("viewport-pane")).to_be_visible()
        films = page.get_by_test_id("study-browser-thumbnail")
        expect(films).to_have_count(2, timeout=_PATIENCE_MS)
        until(lambda: seen(page, folder / "film.png", _GREY) > 0.1)
        page.get_by_test_id("study-browser-thumbnail-no-image").dblclick()
        grades = page.locator("svg tspan", has_text="Kellgren-Lawrence grade:")
        expect(grades).to_have_text(_GRADES, timeout=_PATIENCE_MS)
        page.get_by_role("button", name="No", exact=True).click()  # whether to go on measuring
        until(lambda: seen(page, folder / "report.png", _GREY) > 0.1)
        films.nth(1).dblclick()
        until(lambda: seen(page, folder / "capture.png", _AMBER) > 0.002)
        browser.close()


def seen(page: Page, path: Path, colours: tuple[tuple[int, int, int], tuple[int, int, int]]) -> float:
    """Photographs the page, and tells which share of its viewport has a colour between two (red, green, blue)."""
    page.screenshot(path=path)
    pixels = np.asarray(Image.open(io.BytesIO(page.get_by_test_id("viewport-pane").screenshot())).convert("RGB"))
    low, high = colours
    return float(np.all((pixels >= low) & (pixels <= high), axis=2).mean())


if __name__ == "__main__":
    os.environ.pop("http_proxy", None)
    main()
