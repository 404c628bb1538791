"""With CI=true a skipped test is a failed one: what was not run was not shown to work. `gpu` and `soak` may skip."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

MAY_SKIP = ("gpu", "soak")


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    # An expected failure also reports as skipped, but it did run.
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{reason} (with CI=true only tests marked {' or '.join(MAY_SKIP)} may be skipped)"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns the skip of one test into a failure."""
    report = yield
    if not any(item.get_closest_marker(mark) for mark in MAY_SKIP):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turns the skip of a whole module into a failure."""
    report = yield
    _refuse_skip(report)
    return report
