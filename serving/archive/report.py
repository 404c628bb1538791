"""`kneeoa archive report DIR`: the page of one release's results, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from kneeoa.serving.archive.layout import ArchiveLayout, written_whole
from kneeoa.serving.archive.report_html import report_page
from kneeoa.serving.archive.report_queries import NothingScoredError, find


def write_report(root: Path, release: str | None = None) -> Path:
    """Writes `report.html` of an archive run, finished or not.

    Args:
        root: the folder that `kneeoa score --out` named.
        release: the first digits of the sha256 of the release's `release.json`, where the folder holds results of
            several; by default the results that were written to last.

    Returns:
        The page's path.

    Raises:
        NothingScoredError: there is no manifest, or no part of that release.
    """
    layout = ArchiveLayout(root)
    found = [path for path in root.glob(f"release={release or ''}*") if path.is_dir()]
    if not layout.manifest.is_file() or not found:
        raise NothingScoredError(
            f"{root} holds no results{f' of release {release}' if release else ''}: run `kneeoa score` first."
        )
    partition = max(found, key=lambda path: path.stat().st_mtime)
    page = report_page(find(layout, partition))
    with written_whole(layout.report) as path:
        path.write_text(page, encoding="utf-8")
    return layout.report
