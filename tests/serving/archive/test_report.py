"""The page of an archive: its counts are those of the tables, and it needs and gives away nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.serving.archive.made_archive import SHA256, MadeArchive

from kneeoa.serving.archive.layout import ArchiveLayout
from kneeoa.serving.archive.report import write_report
from kneeoa.serving.archive.report_charts import nice_ticks, short
from kneeoa.serving.archive.report_findings import Findings, NotedFilm
from kneeoa.serving.archive.report_html import report_page
from kneeoa.serving.archive.report_pace import pace_of
from kneeoa.serving.archive.report_queries import NothingScoredError, find
from kneeoa.serving.archive.report_tables import link, percent

FILES = 6000


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> ArchiveLayout:
    return MadeArchive(FILES, shard_films=500).write(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def found(layout: ArchiveLayout) -> Findings:
    return find(layout, layout.partition(SHA256))


def rows_of(layout: ArchiveLayout, *columns: str) -> list[dict[str, str | int | float | None]]:
    parts = sorted(layout.partition(SHA256).glob("part-*.parquet"))
    return [row for part in parts for row in pq.read_table(part, columns=list(columns)).to_pylist()]


def test_fates_are_those_of_the_manifest_and_add_up_to_all_files(layout: ArchiveLayout, found: Findings) -> None:
    manifest = pq.read_table(layout.manifest, columns=["fate"]).column("fate").to_pylist()
    told = Counter[str]()
    for one in found.fates:
        told[one.name.split(":")[0]] += one.number
    assert told == Counter(manifest)
    assert found.files == FILES == sum(told.values())


def test_every_grouping_holds_every_result_once(layout: ArchiveLayout, found: Findings) -> None:
    rows = rows_of(layout, "kl_grade")
    grades = Counter(row["kl_grade"] for row in rows)
    assert len({one.name for one in found.groupings}) == 6
    for grouping in found.groupings:
        groups = [*grouping.groups, *([grouping.left_out] if grouping.left_out else [])]
        assert sum(one.results for one in groups) == len(rows)
        assert sum(one.ungraded for one in groups) == grades[None]
        assert [sum(one.knees[grade] for one in groups) for grade in range(5)] == [grades[grade] for grade in range(5)]


def test_a_film_of_both_knees_is_one_film_and_two_results(layout: ArchiveLayout, found: Findings) -> None:
    rows = rows_of(layout, "row", "refusal_code")
    assert found.films == len({row["row"] for row in rows}) < len(rows) == found.whole.results
    refused = Counter(row["refusal_code"] for row in rows if row["refusal_code"])
    assert found.failed == refused["corrupt_pixels"] > 0
    assert found.refused == sum(refused.values()) - found.failed
    assert {one.name: one.number for one in found.refusals} == refused


def test_older_groups_have_higher_grades_in_the_order_of_age(found: Findings) -> None:
    (by_age,) = [one for one in found.groupings if one.name == "age"]
    named = [one for one in by_age.groups if one.name]
    assert [one.name for one in named] == ["under 40", "40-49", "50-59", "60-69", "70-79", "80 and over"]
    shares = [one.with_oa / one.graded for one in named]
    assert shares == sorted(shares)


def test_slowest_films_come_first_with_their_encoding(layout: ArchiveLayout, found: Findings) -> None:
    seconds = {
        str(row["source"]): float(row["seconds_total"] or 0) for row in rows_of(layout, "source", "seconds_total")
    }
    assert [film.seconds for film in found.slowest] == sorted(seconds.values(), reverse=True)[: len(found.slowest)]
    assert seconds[found.slowest[0].source] == found.slowest[0].seconds
    assert "jpeg-2000-lossless" in found.slowest[0].why


def test_strangest_films_are_those_unlike_training_and_those_that_contradict_themselves(
    layout: ArchiveLayout, found: Findings
) -> None:
    names = ("source", "kl_grade", "medial_narrowing_percent", "knee_flags")
    odd = {
        row["source"]
        for row in rows_of(layout, *names)
        if row["kl_grade"] is not None
        and (
            row["knee_flags"]
            or (row["kl_grade"] >= 3 and row["medial_narrowing_percent"] < 15)  # type: ignore[operator]
            or (row["kl_grade"] == 0 and row["medial_narrowing_percent"] >= 66)  # type: ignore[operator]
        )
    }
    told = [film for film in found.strangest if ";" in film.why]
    assert {film.source for film in told} <= odd
    assert len(told) == min(len(odd), len(found.strangest))
    assert len({film.source for film in found.strangest}) == len(found.strangest)
    assert any("unlike the knees of training" in film.why for film in told)


class _Loads(HTMLParser):
    """Whatever a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = [name for name, _ in attrs if name in {"src", "srcset", "data", "background"} or name.startswith("on")]
        self.found += [f"{tag} {name}" for name in named]
        if tag in {"script", "img", "iframe", "object", "embed", "link", "base", "form", "image", "use"}:
            self.found.append(tag)


def test_page_is_one_file_that_loads_nothing_and_shows_no_film(layout: ArchiveLayout) -> None:
    path = write_report(layout.root)
    page = path.read_text(encoding="utf-8")
    loads = _Loads()
    loads.feed(page)
    assert path == layout.report
    assert loads.found == []
    assert "url(" not in page
    assert "default-src 'none'" in page
    assert page.count("<svg") > 30
    assert len(page) < 400_000


def test_page_says_the_counts_and_links_to_the_films(found: Findings) -> None:
    page = report_page(found)
    narrow = "\N{NARROW NO-BREAK SPACE}"
    assert f"<b>6{narrow}000</b><span>files met" in page
    assert f'<a href="file://{found.slowest[0].source}">' in page
    for code in ("not_frontal", "not_a_knee", "implant", "corrupt_pixels", "Harbour clinic", "Acme DX-3000", "2015"):
        assert code in page


@pytest.mark.parametrize(
    ("film", "address"),
    [
        (NotedFilm("/films/a b#1.dcm", None, 1.0, ""), "file:///films/a%20b%231.dcm"),
        (NotedFilm("/films/pack.zip", "in/1.dcm", 1.0, ""), "file:///films/pack.zip"),
        (NotedFilm("https://pacs/studies/1?a=1&b=2", None, 1.0, ""), "https://pacs/studies/1?a=1&amp;b=2"),
        (NotedFilm("s3://bucket/1.dcm", None, 1.0, ""), None),
        (NotedFilm("0123456789abcdef0123456789abcdef", None, 1.0, ""), None),
        (NotedFilm("javascript:alert(1)", None, 1.0, ""), None),
        (NotedFilm('https://x/"onload="alert(1)', None, 1.0, ""), "https://x/&quot;onload=&quot;alert(1)"),
    ],
)
def test_only_files_and_web_addresses_become_links(film: NotedFilm, address: str | None) -> None:
    made = re.match(r'<a href="([^"]*)">', link(film))
    assert (made[1] if made else None) == address


def test_names_from_headers_cannot_become_markup(found: Findings) -> None:
    evil = "<script>alert(1)</script>"
    groups = tuple(
        replace(one, groups=tuple(replace(group, name=evil) for group in one.groups)) for one in found.groupings
    )
    page = report_page(replace(found, groupings=groups, fates=(replace(found.fates[0], name=evil),)))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_unfinished_run_has_a_page_that_says_so(tmp_path: Path) -> None:
    layout = MadeArchive(1500, shard_films=300).write(tmp_path)
    whole = write_report(tmp_path).read_text(encoding="utf-8")
    layout.part(SHA256, 1).unlink()
    unfinished = write_report(tmp_path, SHA256[:6]).read_text(encoding="utf-8")
    assert ["of the shards done" in page for page in (whole, unfinished)] == [False, True]


def test_folder_without_results_is_told_by_name(tmp_path: Path, layout: ArchiveLayout) -> None:
    with pytest.raises(NothingScoredError, match="run `kneeoa score` first"):
        write_report(tmp_path)
    with pytest.raises(NothingScoredError, match="of release ffff"):
        write_report(layout.root, "ffff")


def test_of_two_releases_the_one_written_last_is_told_unless_another_is_named(tmp_path: Path) -> None:
    layout = MadeArchive(600, shard_films=300).write(tmp_path)
    older = layout.partition("0" * 64)
    older.mkdir()
    layout.part(SHA256, 0).rename(older / "part-00000.parquet")
    os.utime(older, (1.0, 1.0))
    assert find(layout, layout.partition(SHA256)).shards_done == 1
    last, named = write_report(tmp_path).read_text(), write_report(tmp_path, "0000").read_text()
    assert last != named


_PEAK = """
import resource, sys
from pathlib import Path
from kneeoa.serving.archive.report import write_report
print(write_report(Path(sys.argv[1])), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def told_in_a_process_of_its_own(root: Path) -> int:
    """Most bytes that the report of an archive took."""
    done = subprocess.run([sys.executable, "-c", _PEAK, str(root)], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def test_memory_of_the_report_does_not_follow_the_rows(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    MadeArchive(2000, shard_films=2000).write(small)
    layout = MadeArchive(2000, shard_films=2000, copies=100).write(large)
    assert pq.ParquetFile(layout.manifest).metadata.num_rows == 200_000
    # All rows of the larger one, read at once, would take several times this.
    assert told_in_a_process_of_its_own(large) - told_in_a_process_of_its_own(small) < 300_000_000


@pytest.mark.soak
def test_ten_million_files_are_told_within_two_gigabytes(tmp_path: Path) -> None:
    MadeArchive(100_000, shard_films=10_000, copies=100).write(tmp_path)
    assert told_in_a_process_of_its_own(tmp_path) <= 2_000_000_000
    assert f"10{chr(0x202F)}000{chr(0x202F)}000</b><span>files met" in (tmp_path / "report.html").read_text()


def test_command_writes_the_page_and_prints_where(layout: ArchiveLayout) -> None:
    command = [sys.executable, "-m", "kneeoa", "archive", "report", str(layout.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(layout.report)
    missing = subprocess.run([*command, "--release", "ffff"], capture_output=True, text=True, check=False)
    assert (missing.returncode, "run `kneeoa score` first" in missing.stderr) == (2, True)


def test_stops_of_a_run_do_not_slow_its_pace() -> None:
    steady = [(100.0 * number, 1000) for number in range(50)]
    stopped = [(when + (90_000.0 if when > 2000 else 0.0), films) for when, films in steady]
    for parts in (steady, stopped):
        pace = pace_of(parts)
        assert pace.films_a_second == pytest.approx(10.0)
        assert sum(one.films for one in pace.bins) == 50_000
        assert len(pace.bins) <= 121
    assert pace_of(steady[:1]).films_a_second is None


def test_scales_end_above_what_they_show_in_round_steps() -> None:
    for highest in (0.003, 0.7, 1.0, 3.9, 42.0, 999.0, 1000.0, 12_345_678.0):
        ticks = nice_ticks(highest)
        assert ticks[0] == 0
        assert ticks[-1] >= highest * 0.999
        assert 3 <= len(ticks) <= 6
        assert f"{ticks[1]:.6e}"[:3] in {"1.0", "2.0", "2.5", "5.0"}
    assert [short(number) for number in (0.5, 950, 1200, 38e6)] == ["0.5", "950", "1.2 k", "38 M"]


def test_a_share_that_is_not_nothing_is_not_told_as_nothing() -> None:
    assert [percent(0, 5), percent(1, 10_000), percent(1, 4), percent(9999, 10_000), percent(4, 4), percent(1, 0)] == [
        "0.0 %",
        "&lt; 0.1 %",
        "25.0 %",
        "99.9 %",
        "100.0 %",
        "-",
    ]
