"""Storage Commitment: what a report says, who may make one, and what destinations may be asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pydicom
import pytest
from pydantic import ValidationError
from pydicom import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import AE, build_role
from tests.serving.pacs.faulty_archives import free_port

from kneeoa.serving.pacs.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE, Reports, report, request
from kneeoa.serving.pacs.store_scp import StorageScp
from kneeoa.serving.pipeline.destinations import SentObject
from kneeoa.serving.pipeline.intake import Receipt, ReceiptState
from kneeoa.serving.settings import PacsSettings, load_settings


def reference(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", uid
    return item


def said(transaction: str, kept: list[str], lost: list[str]) -> Dataset:
    information = Dataset()
    information.TransactionUID = transaction
    information.ReferencedSOPSequence = [reference(uid) for uid in kept]
    information.FailedSOPSequence = [reference(uid) for uid in lost]
    return information


def test_a_report_names_what_is_kept_and_what_is_not() -> None:
    assert report(said("2.25.1", ["1.2.3"], ["1.2.4"])) == ("2.25.1", {"1.2.3": True, "1.2.4": False})
    assert report(said("2.25.1", ["1.2.3"], ["1.2.3"]))[1] == {"1.2.3": False}, "in doubt it is not kept"
    assert report(Dataset()) == ("", {})


def test_a_request_names_its_objects() -> None:
    asked = request([SentObject("1.1", "1.2", "1.3", "1.4")], "2.25.9")
    (item,) = asked.ReferencedSOPSequence
    assert (asked.TransactionUID, item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID) == ("2.25.9", "1.3", "1.4")


@pytest.mark.parametrize(("title", "taken"), [("PACS", True), ("STRANGER", False)])
def test_a_report_is_taken_from_those_alone_who_may_send(title: str, taken: bool) -> None:
    heard: list[tuple[str, dict[str, bool]]] = []

    def take(transaction: str, kept: Mapping[str, bool]) -> bool:
        heard.append((transaction, dict(kept)))
        return True

    port = free_port()
    listed = [{"ae_title": "PACS", "host": "127.0.0.1"}]
    scp = StorageScp(PacsSettings.model_validate({"port": port, "allowed_peers": listed}), Reports(take))
    scp.start(lambda source, *, sender: Receipt(ReceiptState.REFUSED))  # noqa: ARG005 - called by these names
    try:
        ae = AE(title)
        ae.add_requested_context(PUSH_MODEL, ExplicitVRLittleEndian)
        role = build_role(UID(PUSH_MODEL), scu_role=False, scp_role=True)
        association = ae.associate("127.0.0.1", port, ae_title="KNEEOA", ext_neg=[role])
        assert association.is_established is taken
        if taken:
            information = said("2.25.1", ["1.2.3"], [])
            status, _ = association.send_n_event_report(information, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE)
            assert status.Status == 0
            association.release()
    finally:
        scp.stop()
    assert heard == ([("2.25.1", {"1.2.3": True})] if taken else [])


def test_a_report_that_cannot_be_written_down_is_answered_as_a_failure() -> None:
    class Asked:
        event_information = said("2.25.1", ["1.2.3"], [])

    def take(_transaction: str, _kept: Mapping[str, bool]) -> bool:
        raise OSError

    assert Reports(take).handle(Asked())[0] == 0x0110  # type: ignore[arg-type]  # all of an event that is looked at


@pytest.mark.parametrize(
    "wrong",
    [
        {"verify": "qido"},
        {"verify": "find", "dicomweb": {"name": "a", "url": "http://127.0.0.1/dicom-web"}},
        {"commitment": "maybe"},
        {"verify": "qido", "dicomweb": {"name": "a", "url": "http://archive.example/dicom-web"}},
    ],
)
def test_what_a_destination_cannot_be_asked_is_told_at_the_start(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PacsSettings.model_validate({"destinations": [{"ae_title": "A", "host": "h", "port": 1, **wrong}]})


def test_study_reports_are_switched_on_by_one_word_or_with_their_quiet_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not load_settings().pacs.study_report.on
    (tmp_path / "short.yaml").write_text("pacs: {study_report: on}\n")
    (tmp_path / "long.yaml").write_text("pacs: {study_report: {on: true, quiet_seconds: 5}}\n")
    assert load_settings(tmp_path / "short.yaml").pacs.study_report.on
    assert load_settings(tmp_path / "long.yaml").pacs.study_report.quiet_seconds == 5
    monkeypatch.setenv("KNEEOA_PACS__STUDY_REPORT__QUIET_SECONDS", "7")
    monkeypatch.setenv("KNEEOA_PACS__STUDY_REPORT__ON", "on")
    told = load_settings().pacs.study_report
    assert (told.on, told.quiet_seconds) == (True, 7)


def test_a_film_that_is_read_back_has_the_uids_that_it_was_sent_with(tmp_path: Path) -> None:
    from tests.serving.results.made import DX, SOP_UID, STUDY_UID, write_small_film

    from kneeoa.serving.pipeline.outbox import described

    film = write_small_film(tmp_path / "film.dcm")
    series = str(pydicom.dcmread(film).SeriesInstanceUID)
    assert described(film.read_bytes()) == SentObject(STUDY_UID, series, DX, SOP_UID)
