"""The Conformance Statement claims what the code does: SOP classes, transfer syntaxes, codes."""

from __future__ import annotations

import re
from pathlib import Path

from kneeoa.serving.pacs.store_scp import STORED_CLASSES, TRANSFER_SYNTAXES, VERIFICATION
from kneeoa.serving.results.codes import SCHEME, SCHEME_UID, SCHEME_VERSION, default_codes
from kneeoa.serving.results.result_object import IMPLEMENTATION_UID

STATEMENT = (Path(__file__).parents[2] / "docs" / "dicom-conformance.md").read_text(encoding="utf-8")


def test_every_sop_class_that_is_accepted_is_stated_and_no_other() -> None:
    stated = re.findall(r"^\| .+ \| ([0-9.]+) \| SCP \|$", STATEMENT, re.MULTILINE)
    assert stated == [VERIFICATION, *STORED_CLASSES]


def test_every_transfer_syntax_is_stated_and_no_other() -> None:
    stated = re.findall(r"^\| [^|]+ \| (1\.2\.840\.10008\.1\.2[0-9.]*) \|$", STATEMENT, re.MULTILINE)
    assert stated == list(TRANSFER_SYNTAXES)


def test_every_private_code_is_stated_with_its_meaning_and_key() -> None:
    stated = re.findall(r"^\| ([A-Z0-9-]+) \| ([^|]+) \| `(\w+)` \|$", STATEMENT, re.MULTILINE)
    assert stated == [(c.value, c.meaning, key) for key, c in default_codes().concepts.items()]
    assert f"`{SCHEME}`, version {SCHEME_VERSION}, UID {SCHEME_UID}" in STATEMENT
    assert IMPLEMENTATION_UID in STATEMENT
