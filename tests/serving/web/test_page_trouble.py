"""What the page says when something goes wrong: in words, and without losing what somebody was doing.

As in `test_page.py`, the tests follow one another in one tab.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import FilePayload, Page, expect
from tests.serving.server import until
from tests.serving.web.conftest import Heard, Server

from kneeoa.serving.security.keys import KeyFile
from kneeoa.serving.security.principal import Scope

expect.set_options(timeout=30_000)
LATE = 60_000
REASON = "Osteophytes at both margins."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that takes one film at a time."""
    few = {"QUEUE__HIGH_FILMS": "1", "QUEUE__LOW_FILMS": "0"}
    with Server(tmp_path_factory.mktemp("service"), few) as running:
        yield running


def log_in(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")


def settled(server: Server) -> None:
    """Waits until no film is in work any more, as the service counts."""
    until(lambda: server.get("/v1/statistics").json()["now"]["queue_films"] == 0)
    time.sleep(0.5)  # it does not look at the queue for each film, and counts what came since as waiting


def payload(name: str, content: bytes) -> FilePayload:
    return FilePayload(name=name, mimeType="application/dicom", buffer=content)


def test_a_film_that_is_cut_off_says_so_on_its_line_and_on_its_own_page(
    page: Page, server: Server, films: dict[str, Path]
) -> None:
    log_in(page, server.key)
    expect(page.get_by_text("No studies yet")).to_be_visible()
    whole = films["standing"].read_bytes()
    page.set_input_files("#choose", payload("cut-off.dcm", whole[: len(whole) // 2]))
    expect(page.locator(".mark.refusal")).to_have_text("file cut off", timeout=LATE)
    expect(page.locator(".sent li")).to_contain_text("not graded")
    page.locator(".rows").press("Enter")
    expect(page.get_by_role("region", name="This film was not graded")).to_contain_text("truncated")
    expect(page.locator(".correction")).to_contain_text("no knee to correct")
    expect(page.locator(".stage-note")).not_to_be_empty()
    page.keyboard.press("Escape")


def test_what_is_no_film_says_so_and_is_not_offered_again(page: Page) -> None:
    page.set_input_files("#choose", payload("noise.dcm", bytes(range(256)) * 40))
    line = page.locator(".sent li.bad")
    expect(line).to_contain_text("no film that can be kept")
    expect(line.get_by_role("button")).to_have_count(0)


def test_films_that_a_full_service_does_not_take_are_sent_again_by_themselves(
    page: Page, server: Server, films: dict[str, Path]
) -> None:
    settled(server)
    worker = server.worker
    os.kill(worker, signal.SIGSTOP)
    try:
        page.set_input_files("#choose", films["standing"])
        expect(page.locator(".sent li").filter(has_text="standing.dcm")).to_contain_text("in work")
        page.set_input_files("#choose", films["knee"])
        line = page.locator(".sent li").filter(has_text="knee.dcm")
        expect(line).to_contain_text(re.compile(r"films are waiting\..*sent again in \d+ s"))
    finally:
        os.kill(worker, signal.SIGCONT)
    expect(line).to_contain_text("graded", timeout=LATE)  # after the 30 s that the service told
    expect(page.locator("tr[data-study] .state.graded")).to_have_count(2)


def test_a_letter_that_somebody_else_has_replayed_says_so(page: Page, server: Server, films: dict[str, Path]) -> None:
    settled(server)
    worker = server.worker
    os.kill(worker, signal.SIGSTOP)
    page.set_input_files("#choose", films["other"])
    expect(page.locator(".state.waiting")).to_have_count(1, timeout=LATE)
    os.kill(worker, signal.SIGKILL)
    expect(page.locator("#letters-count")).to_have_text("1", timeout=LATE)
    page.keyboard.press("g")
    page.keyboard.press("d")
    row = page.locator("tr[data-film]")
    expect(row).to_have_count(1)
    page.route("**/v1/dead-letters?*", lambda _: None)  # no answer: this page does not hear of it in time
    film = row.get_attribute("data-film")
    replayed = httpx.post(f"{server.url}/v1/dead-letters/{film}/replay", headers={"X-API-Key": server.key})
    assert replayed.status_code == 202
    page.keyboard.press("r")
    expect(page.locator("#said .bad")).to_contain_text("no such dead letter")
    page.unroute("**/v1/dead-letters?*")


def test_a_service_that_stops_is_told_and_what_was_being_written_stays(page: Page, server: Server) -> None:
    page.evaluate("location.hash = '#/'")
    page.locator("tr[data-study]", has_text="KL 4").first.click()
    expect(page.locator("canvas[data-film]:not([data-film=''])")).to_be_visible(timeout=LATE)
    page.keyboard.press("e")
    page.keyboard.press("Space")
    page.get_by_label("Reason").fill(REASON)
    server.kill()
    expect(page.locator("#live")).to_have_text("not connected")
    expect(page.get_by_role("alert").filter(has_text="has not answered since")).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#said .bad")).to_contain_text("does not answer")
    expect(page.get_by_label("Reason")).to_have_value(REASON)
    expect(page.locator("canvas[data-film]:not([data-film=''])")).to_be_visible()
    page.evaluate("location.hash = '#/status'")
    expect(page.locator(".status .note")).to_contain_text("does not answer")
    page.evaluate("location.hash = '#/letters'")
    expect(page.locator(".letters .found")).to_contain_text("cannot be shown")


def test_after_a_restart_the_page_asks_for_the_key_over_what_was_there(page: Page, server: Server) -> None:
    page.go_back()
    page.go_back()
    server.launch().wait_until_ready()
    again = page.get_by_role("dialog", name="Log in again")
    expect(again).to_contain_text("session has ended", timeout=LATE)
    log_in(page, "kneeoa_wrong_key")
    expect(again.get_by_role("alert")).to_contain_text("not valid")
    log_in(page, server.key)
    expect(again).to_have_count(0)
    expect(page.locator("#live")).to_have_text("live")
    expect(page.locator("#gone")).to_be_hidden()
    expect(page.get_by_label("Reason")).to_have_value(REASON)
    page.get_by_label("Reason").press("Control+Enter")
    expect(page.locator("#said")).to_contain_text("kept")
    expect(page.locator(".said-before")).to_contain_text(REASON)


def test_what_is_written_outlives_a_result_that_comes_meanwhile(page: Page, server: Server) -> None:
    page.get_by_label("Reason").fill("A second")
    uid = page.url.rsplit("/", 1)[1]
    done = httpx.post(
        f"{server.url}/v1/studies/{uid}/corrections",
        headers={"X-API-Key": server.key},
        json={"side": "L", "grade": 3, "reason": "Somebody else's view."},
    )
    assert done.status_code == 201
    expect(page.locator(".said-before")).to_contain_text("Somebody else's view.")
    page.keyboard.type(" thought.")
    expect(page.get_by_label("Reason")).to_have_value("A second thought.")


def test_a_session_that_ends_with_its_key_lets_somebody_else_in_with_a_page_of_their_own(
    page: Page, server: Server
) -> None:
    page.evaluate("window.before = true")
    keys = KeyFile(server.data)
    keys.revoke(server.key.split("_")[1])
    page.get_by_label("Reason").press("Control+Enter")
    page.keyboard.press("Space")
    expect(page.get_by_role("dialog", name="Log in again")).to_be_visible()
    with page.expect_event("load"):
        log_in(page, keys.create("somebody else", frozenset({Scope.READ})))
    expect(page.locator(".said-before")).to_contain_text(REASON, timeout=LATE)
    assert page.evaluate("window.before === undefined")
    expect(page.get_by_label("Reason")).to_have_value("")


def test_who_may_only_look_is_told_what_they_may_not_do(page: Page) -> None:
    page.evaluate("location.hash = '#/letters'")
    expect(page.locator(".letters .found")).to_contain_text("needs the scope admin")
    page.evaluate("location.hash = '#/'")
    page.set_input_files("#choose", payload("film.dcm", b"no film"))
    expect(page.locator(".sent li.bad")).to_contain_text("needs the scope submit")
    page.evaluate("location.hash = '#/study/1.2.3'")
    expect(page.locator(".panel")).to_contain_text("no such study")


def test_how_far_results_have_come_is_told_in_words_and_never_as_more(page: Page) -> None:
    rows = [
        {"destination": "dicom:PACS", "kind": kind, "state": state, "reason": reason}
        for kind, state, reason in (
            ("sr", "sent", None),
            ("sc", "sent", None),
            ("study_sr", "waiting", "destination_refused"),
        )
    ]
    rows.append({"destination": "stow:vna", "kind": "sr", "state": "failed", "reason": "not_found_there"})
    said = page.evaluate("async (rows) => (await import('/web/words.js')).deliveryWords(rows)", rows)
    assert [line["text"] for line in said] == [
        "PACS: sent: report, picture",
        "PACS: not sent yet: study report (destination refused)",
        "vna: not delivered: report (not found there)",
    ]
    assert [line["bad"] for line in said] == [False, False, True]


def test_the_page_itself_never_failed(heard: Heard) -> None:
    # What the browser reports of answers that are errors, or that never came.
    expected = re.compile(r"status of (401|403|404|409|422|503)|net::ERR_")
    assert not [error for error in heard.errors if not expected.search(error)]
    assert not heard.elsewhere
