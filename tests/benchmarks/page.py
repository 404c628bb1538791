"""How the page feels: the first view of a large film, a long worklist, its size, and what moves while it loads.

A real `kneeoa serve` on loopback and the machine's Chromium. Times are taken inside the page, from the click or the key
until the frame after the change has been handed to the screen. They need an idle machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

# Last, so that the repository's folders shadow nobody's packages.
sys.path.append(str(Path(__file__).parents[2]))

from playwright.sync_api import Page, sync_playwright
from tests.benchmarks.measure import UNHURRIED, Spread, machine, report, sizes, spread
from tests.benchmarks.service_films import load_films
from tests.serving.running_service import RunningService
from tests.serving.server import RELATED, related
from tests.serving.web.chromium import ARGUMENTS, CHROMIUM, layout_shifts
from tests.serving.web.many_studies import copy_study

VIEW_BAR_MS, LIST_BAR_MS, SIZE_BAR = 1000.0, 100.0, 500_000
_OK = 200
_PATIENCE_SECONDS = 600.0
_CLICK = """(uid) => new Promise((done) => {
  const began = performance.now();
  const drawn = () => requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
  const look = () => {
    const film = document.querySelector("canvas[data-film]:not([data-film=''])");
    if (film) requestAnimationFrame(drawn); else setTimeout(look, 4);
  };
  document.querySelector(`tr[data-study='${uid}']`).click();
  look();
})"""
_SEARCH = """(word) => new Promise((done) => {
  const began = performance.now();
  const box = document.querySelector("input[type=search]");
  box.value = word;
  box.dispatchEvent(new Event("input"));
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
})"""
_SCROLL = """(share) => new Promise((done) => {
  const rows = document.querySelector(".rows");
  const began = performance.now();
  rows.addEventListener("scroll", () => requestAnimationFrame(() => setTimeout(() => done(performance.now() - began))), { once: true });
  rows.scrollTop = share * (rows.scrollHeight - rows.clientHeight);
})"""  # noqa: E501 - the page's own words
_SIZE = """() => ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind))
  .filter((one) => one.name.includes("/web/") || one.entryType === "navigation")
  .reduce((sum, one) => sum + one.encodedBodySize, 0)"""


def stored(service: RunningService, film: bytes) -> str:
    """Stores a film; the study's UID once it is graded."""
    answer = service.ask("POST", "/dicomweb/studies", related(film), RELATED)
    if answer.status != _OK:
        raise SystemExit(f"bench: a film is not stored: {answer.status} {answer.body[:300]!r}")
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        rows = json.loads(service.ask("GET", "/v1/worklist").body)["rows"]
        if rows and rows[0]["knees"]:
            return str(rows[0]["study_uid"])
        time.sleep(0.1)
    raise SystemExit("bench: the film is not graded")


def first_views(page: Page, url: str, uid: str, rounds: int) -> list[float]:
    """Milliseconds from the click on the row to the film on the screen; each in a page that has seen none before."""
    seen = []
    for _ in range(rounds):
        page.goto("about:blank")
        page.goto(f"{url}/#/")
        page.wait_for_selector(f"tr[data-study='{uid}']")
        page.wait_for_timeout(300)
        seen.append(float(page.evaluate(_CLICK, uid)))
    return seen


def list_times(page: Page, url: str, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of searching and of scrolling in the list."""
    page.goto("about:blank")
    page.goto(f"{url}/#/")
    page.wait_for_function("() => /^\\d{4} studies/.test(document.querySelector('.found')?.textContent ?? '')")
    words = ["1", "1.2", "1.2.15", "kl", "", "1.2.1999", "unusual", ""]
    search = [float(page.evaluate(_SEARCH, words[turn % len(words)])) for turn in range(rounds)]
    page.evaluate(_SEARCH, "")
    places = [((turn * 7919) % 997) / 997 for turn in range(1, rounds + 1)]
    return {"search": search, "scroll": [float(page.evaluate(_SCROLL, place)) for place in places]}


def shifts(page: Page, url: str, uid: str) -> dict[str, float]:
    """What moves while each view loads: cumulative layout shift."""
    found = {}
    for name, ready in (
        ("", "tr[data-study]"),
        (f"study/{uid}", ".bars"),
        ("status", ".u-over"),
        ("letters", ".letters"),
    ):
        page.goto("about:blank")
        page.goto(f"{url}/#/{name}")
        page.wait_for_selector(ready)
        page.wait_for_timeout(1000)
        found[name.split("/")[0] or "worklist"] = sum(value for value, _ in layout_shifts(page))
    return found


def measured(service: RunningService, film: bytes, rounds: int, studies: int) -> dict[str, object]:
    """Everything in one browser."""
    uid = stored(service, film)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(service.url)
        page.wait_for_selector("tr[data-study]")
        size = int(page.evaluate(_SIZE))
        views = first_views(page, service.url, uid, rounds)
        moved = shifts(page, service.url, uid)
        copy_study(service.data, uid, studies - 1)
        times = list_times(page, service.url, 8 * rounds)
        browser.close()
    spreads: dict[str, Spread] = {"view": spread(views), **{name: spread(of) for name, of in times.items()}}
    return {
        "milliseconds": {name: asdict(one) for name, one in spreads.items()},
        "most": {"view": max(views), **{name: max(of) for name, of in times.items()}},
        "bytes": size,
        "layout_shift": moved,
        "studies": studies,
    }


def told(result: dict[str, object]) -> list[str]:
    """Figures against their bars, a line each."""
    medians: dict[str, dict[str, float]] = result["milliseconds"]  # type: ignore[assignment] # our own JSON
    most: dict[str, float] = result["most"]  # type: ignore[assignment] # likewise
    moved: dict[str, float] = result["layout_shift"]  # type: ignore[assignment] # likewise
    bars = {"view": VIEW_BAR_MS, "search": LIST_BAR_MS, "scroll": LIST_BAR_MS}
    lines = [
        f"{name}: {medians[name]['median']:.0f} ms in the middle, {most[name]:.0f} ms at most (bar {bar:.0f})"
        for name, bar in bars.items()
    ]
    lines.append(f"size: {int(str(result['bytes'])) / 1000:.0f} kB as sent (bar {SIZE_BAR / 1000:.0f})")
    lines.append("layout shift: " + ", ".join(f"{name} {value:.4f}" for name, value in moved.items()) + " (bar 0)")
    return lines


def main() -> None:
    """Measures and writes JSON; the figures and their bars on stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="the JSON file to write")
    parser.add_argument("--size", type=sizes, default=((3000, 2500),), help="ROWSxCOLUMNS of the film")
    parser.add_argument("--rounds", type=int, default=10, help="first views; eight times as many searches and scrolls")
    parser.add_argument("--studies", type=int, default=1000, help="length of the worklist")
    chosen = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = load_films(chosen.size[0], folder)[0]
        with RunningService(folder / "data", UNHURRIED) as service:
            result = measured(service, film.content, chosen.rounds, chosen.studies)
    report(chosen.out, {"machine": facts, "size": list(chosen.size[0]), **result}, told(result))


if __name__ == "__main__":
    main()
