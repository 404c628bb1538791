"""DIMSE over TLS: certificates on both sides, and nobody without one keeps others out."""

from __future__ import annotations

import gc
import socket
import subprocess
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from pydantic import ValidationError
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import ComprehensiveSRStorage, SecondaryCaptureImageStorage  # type: ignore[attr-defined]
from tests.serving.pacs.certificates import Authority
from tests.serving.results.made import graded_film, write_small_film

from kneeoa.model.errors import ConfigError
from kneeoa.serving.pacs.association import echo
from kneeoa.serving.pacs.commitment import Reports
from kneeoa.serving.pacs.store_scp import StorageScp
from kneeoa.serving.pacs.store_scu import DicomDestination
from kneeoa.serving.pacs.tls import server_context
from kneeoa.serving.pipeline.destinations import DeliveryError
from kneeoa.serving.pipeline.intake import Receipt, ReceiptState
from kneeoa.serving.results.objects import Form, Request, result_objects
from kneeoa.serving.settings import PacsPeer, PacsSettings, TlsSettings

LOOPBACK = "127.0.0.1"
NOBODY = Reports(lambda _uid, _kept: False)
"""Takes no reports of commitment."""


class Taken:
    """Counts the films that the SCP hands on."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, source: BinaryIO, *, sender: str) -> Receipt:
        assert source.read(1)
        assert sender == "c-store"
        self.count += 1
        return Receipt(ReceiptState.ACCEPTED)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority("hospital", tmp_path_factory.mktemp("hospital"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority("stranger", tmp_path_factory.mktemp("stranger"))


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """pynetdicom leaves a socket that its peer has closed already to the garbage collector, which complains."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def taken() -> Taken:
    return Taken()


@pytest.fixture
def scp(authority: Authority, taken: Taken) -> Iterator[StorageScp]:
    running = StorageScp(PacsSettings(port=0, seconds=3, tls=authority.node("kneeoa")))
    running.start(taken)
    yield running
    running.stop()


def at(scp: StorageScp) -> PacsPeer:
    return PacsPeer(ae_title="KNEEOA", host=LOOPBACK, port=scp.port, tls=True)


def test_a_node_with_a_certificate_is_answered(scp: StorageScp, authority: Authority) -> None:
    echo(at(scp), PacsSettings(seconds=5, tls=authority.node("modality")))


def test_a_node_without_one_or_with_a_strangers_is_not(
    scp: StorageScp, authority: Authority, stranger: Authority
) -> None:
    plain = at(scp).model_copy(update={"tls": False})
    strangers = [
        (plain, PacsSettings(seconds=3)),
        # It trusts us, and we do not trust it; and the other way round.
        (at(scp), PacsSettings(seconds=3, tls=stranger.node("foreign", authority.certificate))),
        (at(scp), PacsSettings(seconds=3, tls=authority.node("mistrustful", stranger.certificate))),
    ]
    for peer, own in strangers:
        with pytest.raises(DeliveryError):
            echo(peer, own)
    echo(at(scp), PacsSettings(seconds=5, tls=authority.node("modality")))


def test_dcmtk_sends_a_film_over_tls_and_not_without(
    scp: StorageScp, authority: Authority, taken: Taken, tmp_path: Path
) -> None:
    film = write_small_film(tmp_path / "film.dcm")
    node = authority.node("dcmtk")
    address = ["-aec", "KNEEOA", LOOPBACK, str(scp.port), str(film)]
    shown = ["+tls", str(node.key), str(node.certificate), "+cf", str(node.authorities)]
    # pynetdicom has a command of that name, too.
    sent = subprocess.run(["/usr/bin/storescu", *shown, *address], timeout=60, check=False)
    assert (sent.returncode, taken.count) == (0, 1)
    assert subprocess.run(["/usr/bin/storescu", *address], timeout=60, check=False).returncode != 0
    assert taken.count == 1


def test_peers_that_connect_and_say_nothing_keep_nobody_out(scp: StorageScp, authority: Authority) -> None:
    silent = [socket.create_connection((LOOPBACK, scp.port)) for _ in range(5)]
    try:
        silent[0].sendall(b"\x16\x03\x01\x02\x00")  # the beginning of a handshake
        began = time.monotonic()
        echo(at(scp), PacsSettings(seconds=5, tls=authority.node("modality")))
        assert time.monotonic() - began < 3
    finally:
        for one in silent:
            one.close()


def test_results_go_to_a_destination_over_tls_that_is_who_it_says(authority: Authority, tmp_path: Path) -> None:
    film = write_small_film(tmp_path / "film.dcm")
    report = result_objects(film, graded_film(), None, Request((Form.STRUCTURED_REPORT,)))[Form.STRUCTURED_REPORT]
    arrived: list[bytes] = []

    def take(event: Event) -> int:
        arrived.append(event.encoded_dataset())
        return 0

    own = PacsSettings(seconds=5, tls=authority.node("kneeoa"))
    for name, host, good in (("archive", LOOPBACK, True), ("elsewhere", "127.0.0.2", False)):
        ae = AE("SINK")
        ae.add_supported_context(ComprehensiveSRStorage)
        ae.add_supported_context(SecondaryCaptureImageStorage)
        context = server_context(authority.node(name, host=host), 5)
        server = ae.start_server(
            (LOOPBACK, 0), block=False, evt_handlers=[(evt.EVT_C_STORE, take)], ssl_context=context
        )
        assert server is not None
        peer = PacsPeer(ae_title="SINK", host=LOOPBACK, port=int(server.server_address[1]), tls=True)
        destination = DicomDestination(peer, own, NOBODY)
        try:
            with destination.visit() as visit:
                if good:
                    visit.store(report)
                else:
                    with pytest.raises(DeliveryError):
                        visit.store(report)
        finally:
            ae.shutdown()
    assert len(arrived) == 1


def test_certificates_that_cannot_be_used_are_named_at_the_start(authority: Authority, tmp_path: Path) -> None:
    node = authority.node("kneeoa")
    other = authority.node("other")
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    wrong: list[tuple[dict[str, Path], str]] = [
        ({"certificate": tmp_path / "missing.pem"}, "certificate"),
        ({"key": other.key}, "belong together"),
        ({"authorities": empty}, "authorities"),
    ]
    for change, why in wrong:
        tls = TlsSettings.model_validate(node.model_dump() | change)
        with pytest.raises(ConfigError, match=why):
            StorageScp(PacsSettings(port=0, tls=tls))
        with pytest.raises(ConfigError, match=why):
            DicomDestination(PacsPeer(ae_title="A", host="h", port=1, tls=True), PacsSettings(tls=tls), NOBODY)
    with pytest.raises(ValidationError, match="certificate"):
        PacsSettings(destinations=(PacsPeer(ae_title="A", host="h", port=1, tls=True),))
