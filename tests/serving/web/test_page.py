"""The page in a browser, against a service that runs: what a reader, an administrator and a researcher do.

The tests of this module follow one another in one tab, as a working day does: films come in, are looked at, corrected.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect
from tests.serving.web.chromium import layout_shifts
from tests.serving.web.conftest import Heard, Server
from tests.serving.web.many_studies import copy_study

expect.set_options(timeout=30_000)
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
LATE = 60_000
"""Milliseconds until a film must have its result."""
NOT_A_DEVICE = re.compile("not a cleared medical device", re.IGNORECASE)


def row(page: Page, text: str) -> str:
    """The study of the row that holds a text, once there is one."""
    found = page.locator("tr[data-study]", has_text=text).first
    expect(found).to_be_visible(timeout=LATE)
    return found.get_attribute("data-study") or ""


def open_study(page: Page, uid: str) -> None:
    page.evaluate(f"location.hash = '#/study/{uid}'")
    expect(page.locator("canvas[data-film]:not([data-film=''])")).to_be_visible(timeout=LATE)


def shown(page: Page) -> npt.NDArray[np.float64]:
    """What the stage shows: (rows, columns) grey values."""
    return np.asarray(Image.open(BytesIO(page.locator(".stage").first.screenshot())).convert("L"), np.float64)


def scale(page: Page) -> float:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return float(page.locator(".stage").first.get_attribute("data-scale") or 0)


def left_of_box(page: Page) -> float:
    scale(page)
    place = page.locator(".overlay .box").first.bounding_box()
    assert place is not None
    return place["x"]


def test_nobody_sees_anything_before_the_key_is_entered(page: Page, server: Server) -> None:
    page.get_by_label("API key").fill("kneeoa_wrong_key")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not valid")
    page.get_by_label("API key").fill(server.key)
    page.keyboard.press("Enter")
    expect(page.get_by_text("No studies yet")).to_be_visible()
    assert server.key not in page.content()
    cookie = next(one for one in page.context.cookies() if one["name"] == "kneeoa")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert page.evaluate("document.cookie") == ""
    assert page.evaluate("Object.keys(localStorage).length + Object.keys(sessionStorage).length") == 0


def test_a_film_that_is_sent_appears_with_its_grade_without_a_reload(page: Page, films: dict[str, Path]) -> None:
    page.evaluate("window.stillHere = true")
    page.set_input_files("#choose", [films["knee"], films["standing"], films["hand"]])
    expect(page.locator("tr[data-study]")).to_have_count(3, timeout=LATE)
    expect(page.locator("tr[data-study] .state.graded")).to_have_count(2, timeout=LATE)
    expect(page.locator("tr[data-study] .state.refused")).to_have_count(1, timeout=LATE)
    expect(page.locator(".mark.refusal")).to_contain_text("no frontal knee")
    expect(page.locator(".sent li")).to_have_count(3)
    assert page.evaluate("window.stillHere") is True


def test_a_file_that_is_no_film_says_so(page: Page) -> None:
    page.set_input_files("#choose", FilePayload(name="notes.txt", mimeType="text/plain", buffer=b"no film"))
    expect(page.locator(".sent li.bad")).to_contain_text("no film that can be kept")


def test_many_films_at_once_have_a_line_that_counts_them(page: Page) -> None:
    none = [FilePayload(name=f"{n}.txt", mimeType="text/plain", buffer=b"no film") for n in range(12)]
    page.set_input_files("#choose", none)
    expect(page.locator(".sent li").last).to_have_text("and 6 more, 6 not sent")
    expect(page.locator(".sent li")).to_have_count(7)


def test_the_list_sorts_filters_and_searches(page: Page) -> None:
    page.get_by_role("button", name="Worst").click()
    first = page.locator("tr[data-study] td.c-worst").first
    expect(first).to_have_text("KL 4")
    page.get_by_role("button", name="Worst").click()
    expect(first).not_to_contain_text("KL")
    page.get_by_label("Grade").select_option("4")
    expect(page.locator("tr[data-study]")).to_have_count(1)
    page.get_by_label("Grade").select_option("")
    page.get_by_label("State").select_option("refused")
    expect(page.locator("tr[data-study]")).to_have_count(1)
    page.get_by_label("State").select_option("")
    page.keyboard.press("Escape")
    page.locator(".rows").focus()
    page.keyboard.press("/")
    page.keyboard.type("not a knee")
    expect(page.locator("tr[data-study]")).to_have_count(1)
    page.get_by_role("searchbox").fill("")
    page.get_by_role("button", name="Age").click()
    expect(page.locator("tr[data-study]")).to_have_count(3)


def test_the_viewer_moves_zooms_windows_and_inverts(page: Page) -> None:
    open_study(page, row(page, "KL 3"))
    fitted = scale(page)
    page.keyboard.press("+")
    assert scale(page) > fitted
    page.keyboard.press("1")
    assert scale(page) == pytest.approx(1.0)
    expect(page.locator("canvas[data-film]")).to_be_visible()
    page.keyboard.press("f")
    assert scale(page) == pytest.approx(fitted)
    stage = page.locator(".stage").bounding_box()
    assert stage is not None
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    page.mouse.move(x, y)
    page.mouse.wheel(0, -300)
    assert scale(page) > fitted
    before = left_of_box(page)
    page.mouse.down()
    page.mouse.move(x - 70, y - 30, steps=3)
    page.mouse.up()
    assert left_of_box(page) == pytest.approx(before - 70, abs=1.5)
    page.keyboard.press("ArrowRight")
    assert left_of_box(page) == pytest.approx(before - 130, abs=1.5)
    page.keyboard.press("f")
    plain = shown(page)
    page.keyboard.press("i")
    assert shown(page).mean() > plain.mean() + 40
    page.keyboard.press("i")
    page.keyboard.press("[")
    page.keyboard.press("[")
    page.keyboard.press("[")
    assert shown(page).std() > plain.std() + 3
    page.keyboard.press("r")
    assert np.abs(shown(page) - plain).mean() < 1
    page.mouse.down(button="right")
    page.mouse.move(x, y + 60, steps=3)
    page.mouse.up(button="right")
    assert shown(page).mean() < plain.mean() - 10, "the right button sets the level"
    page.keyboard.press("r")


def test_looking_closely_fetches_all_pixels(page: Page) -> None:
    page.get_by_role("button", name="Show").first.click()
    page.keyboard.press("+")
    page.keyboard.press("+")
    expect(page.locator(".overlay .minimum").first).to_be_visible()
    page.keyboard.press("f")


def test_layers_are_switched_one_by_one(page: Page) -> None:
    for key, layer, mark in (("b", "boxes", ".box"), ("c", "curves", ".femur"), ("m", "minima", ".minimum")):
        expect(page.locator(f".overlay .{layer} {mark}").first).to_be_visible()
        page.keyboard.press(key)
        expect(page.locator(f".overlay .{layer} {mark}").first).to_be_hidden()
        page.keyboard.press(key)
    page.keyboard.press("h")
    warm = "() => { const c = document.querySelector('canvas.warm');"
    warm += " return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v, i) => i % 4 === 3 && v); }"
    page.wait_for_function(warm, timeout=LATE)
    page.keyboard.press("h")


def test_what_was_found_is_said_in_words_and_numbers(page: Page) -> None:
    left = page.get_by_role("region", name="Left knee")
    expect(left.locator(".bars li")).to_have_count(5)
    expect(left.locator(".bars li.chosen")).to_contain_text("KL 3")
    expect(left.locator(".measurements")).to_contain_text(re.compile(r"\d\.\d mm"))
    expect(left).to_contain_text("side told by")
    expect(page.locator("footer.bottom")).to_contain_text(NOT_A_DEVICE)


def test_both_knees_are_seen_in_one_look(page: Page) -> None:
    glance = page.get_by_role("group", name="Both knees").get_by_role("button")
    expect(glance).to_have_count(2)
    expect(glance.nth(1)).to_have_text(re.compile(r"Left knee.*KL 3.*JSN \d · \d\.\d mm"))
    fitted = scale(page)
    glance.nth(1).click()
    assert scale(page) > 2 * fitted
    expect(page.locator(".overlay .width", has_text=" mm").first).to_be_visible()
    page.keyboard.press("f")


def test_grades_that_are_not_excluded_are_marked_where_a_release_tells_them(page: Page, server: Server) -> None:
    with sqlite3.connect(server.data / "kneeoa.sqlite") as database:
        told = "UPDATE results SET report = json_set(report, '$.knees[0].kl.prediction_set', json(?))"
        database.execute(f"{told} WHERE json_array_length(report, '$.knees') = 2", ("[0, 1]",))
    page.keyboard.press("Escape")
    open_study(page, row(page, "KL 3"))
    right, left = (page.get_by_role("region", name=f"{side} knee") for side in ("Right", "Left"))
    expect(right.locator(".bars li.inside")).to_have_text([re.compile("KL 0"), re.compile("KL 1")])
    expect(right).to_contain_text("Not excluded: KL 0, 1.")
    expect(left.locator(".bars li.inside")).to_have_count(0)


def test_a_prior_is_looked_at_beside(page: Page) -> None:
    page.keyboard.press("s")
    expect(page.get_by_role("dialog")).to_contain_text("same patient")
    page.locator(".priors button").filter(has_text="KL 4").click()
    expect(page.locator("canvas[data-film]:not([data-film=''])")).to_have_count(2, timeout=LATE)
    widths = [page.locator(".stage").nth(at).locator(".box").last.bounding_box() for at in (0, 1)]
    assert widths[0] is not None
    assert widths[1] is not None
    # Both films show a left knee, one from near and one on legs: it is brought to one size on both.
    assert widths[0]["width"] == pytest.approx(widths[1]["width"], rel=0.15)
    page.keyboard.press("Escape")
    expect(page.locator(".stage")).to_have_count(1)


def test_the_report_is_one_page_and_says_what_it_is_not(page: Page) -> None:
    page.keyboard.press("o")
    report = page.get_by_role("article", name="Report")
    expect(report.locator(".frame svg")).to_have_count(3, timeout=LATE)
    expect(report).to_contain_text(NOT_A_DEVICE)
    expect(report).to_contain_text("Left knee")
    expect(report).to_contain_text(re.compile("sha256 [0-9a-f]{64}"))
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))) == 1
    page.keyboard.press("Escape")
    expect(page.locator(".stage")).to_be_visible()
    page.keyboard.press("Escape")


def test_a_reader_works_by_keyboard_alone(page: Page, server: Server) -> None:
    row(page, "KL 4")
    page.keyboard.press("g")
    page.keyboard.press("w")
    page.keyboard.press("Home")
    uids = [one.get_attribute("data-study") for one in page.locator("tr[data-study]").all()]
    for _ in uids[: uids.index(row(page, "KL 3"))]:
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("canvas[data-film]:not([data-film=''])")).to_be_visible(timeout=LATE)
    whole = scale(page)
    page.keyboard.press("k")
    right, near = left_of_box(page), scale(page)
    assert near > 2 * whole, "the right knee from near"
    page.keyboard.press("k")
    assert scale(page) > 2 * whole
    assert left_of_box(page) < right, "now the left one is in the middle"
    page.keyboard.press("k")
    assert scale(page) == pytest.approx(whole)
    page.keyboard.press("e")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.type("Definite narrowing, medially.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#said")).to_contain_text("kept")
    expect(page.locator(".said-before")).to_contain_text("Definite narrowing")
    here = page.url
    page.keyboard.press("n")
    page.wait_for_function(f"() => location.href !== {json.dumps(here)}")
    page.keyboard.press("Escape")
    made = server.get("/v1/corrections").json()["rows"]
    assert [(one["grade"], one["reason"]) for one in made] == [(3, "Definite narrowing, medially.")]
    assert made[0]["side"] == "R"


def test_an_administrator_replays_a_dead_letter_by_keyboard_alone(
    page: Page, server: Server, films: dict[str, Path]
) -> None:
    worker = server.worker
    os.kill(worker, signal.SIGSTOP)
    page.set_input_files("#choose", films["other"])
    expect(page.locator(".state.waiting")).to_have_count(1, timeout=LATE)
    expect(page.locator(".sent li").first).to_contain_text("in work")
    os.kill(worker, signal.SIGKILL)
    expect(page.locator("#letters-count")).to_have_text("1", timeout=LATE)
    page.keyboard.press("g")
    page.keyboard.press("d")
    expect(page.locator("tr[data-film]")).to_contain_text("decoder died")
    page.keyboard.press("r")
    expect(page.locator("#said")).to_contain_text("1 film is tried again")
    expect(page.locator("tr[data-film]")).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("w")
    expect(page.locator("tr[data-study] .state.graded")).to_have_count(3, timeout=LATE)


def test_a_researcher_takes_the_corrections_away_by_keyboard_alone(page: Page) -> None:
    page.keyboard.press("g")
    page.keyboard.press("d")
    expect(page.get_by_role("heading", name="Dead letters")).to_be_visible()
    with page.expect_download() as download:
        page.keyboard.press("c")
    assert "Definite narrowing, medially." in Path(download.value.path()).read_text()


def test_the_status_shows_what_came_and_what_became_of_it(page: Page) -> None:
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect(page.locator(".plot .u-over")).to_have_count(3)
    expect(page.locator(".numbers")).to_contain_text("1 of 1")
    page.locator(".plot summary").first.click()
    expect(page.locator(".plot details table").first).to_contain_text("4")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_serious(page: Page, theme: str) -> None:
    page.locator("#main").focus()
    if page.locator("html").get_attribute("data-theme") != theme:
        page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    page.evaluate("location.hash = '#/'")
    uid = row(page, "KL 3")
    found = {}
    for view, ready in (
        (f"study/{uid}", ".bars"),
        (f"report/{uid}", ".frame svg"),
        ("letters", ".letters"),
        ("status", ".u-over"),
        ("", "tr[data-study]"),
    ):
        page.evaluate(f"location.hash = '#/{view}'")
        expect(page.locator(ready).first).to_be_visible(timeout=LATE)
        page.evaluate(AXE)
        result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        serious = [one for one in result["violations"] if one["impact"] in {"serious", "critical"}]
        found[view] = [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in serious]
    assert not {view: faults for view, faults in found.items() if faults}


def test_a_tablet_shows_film_and_findings_without_scrolling_sideways(page: Page) -> None:
    page.set_viewport_size({"width": 820, "height": 1180})
    for view in ("", "letters", "status", f"study/{row(page, 'KL 3')}"):
        page.evaluate(f"location.hash = '#/{view}'")
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") <= 820, view
    expect(page.locator(".stage")).to_be_visible()
    page.set_viewport_size({"width": 1280, "height": 800})


def test_nothing_moves_while_a_view_loads(page: Page, server: Server) -> None:
    page.evaluate("location.hash = '#/'")
    uid = row(page, "KL 3")
    moved = {}
    for view, ready in (
        ("", "tr[data-study]"),
        (f"study/{uid}", ".bars"),
        (f"report/{uid}", ".frame svg"),
        ("letters", ".letters"),
        ("status", ".u-over"),
    ):
        page.goto("about:blank")  # what is loaded is the page as a whole, not another view of it
        page.goto(f"{server.url}/#/{view}")
        expect(page.locator(ready).first).to_be_visible(timeout=LATE)
        page.wait_for_timeout(500)
        moved[view] = layout_shifts(page)
    page.evaluate("location.hash = '#/'")
    assert not {view: shifts for view, shifts in moved.items() if sum(value for value, _ in shifts) > 0.001}


def test_hundreds_of_studies_stay_light(page: Page, server: Server) -> None:
    copy_study(server.data, row(page, "KL 3"), 1000)
    page.evaluate("location.hash = '#/'")
    page.reload()
    expect(page.locator(".found")).to_have_text("1004 studies")
    assert page.locator("tr[data-study]").count() < 60
    page.locator(".rows").evaluate("(rows) => { rows.scrollTop = rows.scrollHeight; }")
    expect(page.locator("tr[data-study='1.2.1999']")).to_be_visible()
    page.get_by_role("searchbox").fill("1.2.1500")
    expect(page.locator(".found")).to_have_text("1 of 1004 studies")
    page.get_by_role("searchbox").fill("")


def test_who_logs_out_is_out(page: Page) -> None:
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.evaluate("fetch('/v1/worklist').then((answer) => answer.status)") == 401


def test_nothing_went_wrong_and_nothing_was_asked_of_elsewhere(heard: Heard) -> None:
    # The browser itself reports each answer that is an error: the wrong key, what was no film, and the last request.
    expected = re.compile("status of (401|409)")
    assert not [error for error in heard.errors if not expected.search(error)]
    assert not heard.elsewhere
