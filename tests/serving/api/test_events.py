"""Server-sent events of a running service: what happened is told in order, again after a break, and to all."""

from __future__ import annotations

import json
import threading

import httpx
from tests.hostile.bases import base
from tests.serving.server import Server

FILM = base("knee L 1.2.840.10008.1.2.4.70").content


def events(text: str) -> list[dict[str, str]]:
    """The blocks of a stream that are events, by field."""
    blocks = [block.splitlines() for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block if ": " in line) for block in blocks]


def test_a_listener_who_comes_back_hears_what_was_missed_and_in_order(server: Server) -> None:
    server.stow(FILM)
    server.settle()
    whole = server.client.get("/v1/events", params={"most": 2}, headers={"Last-Event-ID": "0"})
    assert whole.headers["content-type"].startswith("text/event-stream")
    first, second = events(whole.text)
    assert int(first["id"]) < int(second["id"])
    assert set(json.loads(first["data"])) == {"sequence", "kind", "study_uid", "film_id", "facts", "created"}
    assert json.loads(first["data"])["kind"] == first["event"]
    again = server.client.get("/v1/events", params={"most": 1}, headers={"Last-Event-ID": first["id"]})
    assert events(again.text) == [second]


def test_all_who_listen_hear_what_happens_now(server: Server) -> None:
    server.stow(FILM)
    server.settle()
    study = server.client.get("/v1/studies").json()["studies"][0]["study_uid"]
    side = server.client.get(f"/v1/studies/{study}").json()["knees"][0]["side"]
    listening, heard = threading.Barrier(4), []

    def listen() -> None:
        with (
            httpx.Client(base_url=server.client.base_url, timeout=120) as client,
            client.stream("GET", "/v1/events", params={"most": 1}) as answer,
        ):
            pieces = answer.iter_text()
            text = next(pieces)
            listening.wait(120)
            heard.append(text + "".join(pieces))

    threads = [threading.Thread(target=listen) for _ in range(3)]
    for thread in threads:
        thread.start()
    listening.wait(120)
    correction = {"side": side, "grade": 1, "reason": "Seen again.", "reader": "listener"}
    # The first comment may come before the listener has its place in the order of events.
    while any(thread.is_alive() for thread in threads):
        assert server.client.post(f"/v1/studies/{study}/corrections", json=correction).status_code == 201
        for thread in threads:
            thread.join(0.5)
    assert [events(text)[0]["event"] for text in heard] == ["correction"] * 3


def test_a_listener_who_leaves_is_no_burden(server: Server) -> None:
    for _ in range(20):
        with server.client.stream("GET", "/v1/events") as answer:
            assert next(answer.iter_text()).startswith(":")
    assert server.client.get("/readyz").status_code == 200
