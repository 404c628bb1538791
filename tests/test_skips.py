"""The suite's own rule: with CI=true nothing is skipped in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

SUITE = """
import pytest
def test_runs(): pass
@pytest.mark.skip(reason="no scanner here")
def test_skips(): pass
@pytest.mark.gpu
def test_gpu(): pytest.skip("no CUDA device")
@pytest.mark.soak
@pytest.mark.skipif(True, reason="long")
def test_soak(): pass
@pytest.mark.xfail
def test_known(): assert False
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest((Path(__file__).parent / "conftest.py").read_text())
    pytester.makeini("[pytest]\nmarkers =\n    gpu: needs CUDA\n    soak: long\n")
    pytester.makepyfile(SUITE)
    return pytester


def test_skip_fails_in_ci_unless_gpu_or_soak(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    result = suite.runpytest_inprocess()
    result.assert_outcomes(passed=1, errors=1, skipped=2, xfailed=1)  # a mark skips in setup
    result.stdout.fnmatch_lines(["*no scanner here*only tests marked gpu or soak may be skipped*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_skipped_module_fails_in_ci(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    suite.makepyfile(test_module="import pytest\npytest.importorskip('no_such_package')")
    assert suite.runpytest_inprocess("test_module.py").ret != pytest.ExitCode.OK


def test_skip_is_a_skip_at_the_desk(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    suite.runpytest_inprocess().assert_outcomes(passed=1, skipped=3, xfailed=1)
