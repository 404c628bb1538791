"""Made-up files in the layouts that OAI and MOST publish; no person is behind any number."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

OAI_HEADINGS = (
    "ID|SIDE|READPRJ|V00BARCDBU|V00XRKL|V00XRJSM|V00XRJSL|V00XROSFM|V00XROSFL|V00XROSTM|V00XROSTL|V00XRSCTM|version"
)
OAI_ROWS = (
    "9000001|1: Right|15: BU 15|016600000001|3: 3|1.4|0: 0|1: 1|0: 0|2: 2|0: 0|1: 1|0.8",
    "9000001|1: Right|37: BU 37|016600000001|2: 2|1: 1|0: 0|.|.|.|.|.M: Missing|0.8",
    "9000001|2: Left|15: BU 15|016600000001|0: 0|.|.|.|.|.|.|.|0.8",
    "9000002|2|15|016600000002|4|3|0|3|3|3|3|3|0.8",
)
WIDTH_HEADINGS = "ID|SIDE|READPRJ|V00MCMJSW|V00JSW150|V00JSW250|V00LJSW700|V00NOMJSWX|V00NOLJSWX"
WIDTH_ROWS = ("9000001|1|15|3.61|4.02|3.75|5.1|0|1", "9000001|2|15|4.4|.|.M|6.2|.|.")
MOST_HEADINGS = "MOSTID\tV0XRKL\tV0XLKL\tV0XRJSM\tV0XRJSL\tV0XROSFM\tV1XRKL\tV1XLKL\tV0SOMETHING"
MOST_ROWS = ("MB00001\t2\t0\t1.5\t0\t1\t3\t8\t7", "MB00002\t9\t4\t.\t.\t.\t.\t.\t7")


def written(path: Path, headings: str, *rows: str) -> Path:
    """A text file of these lines."""
    path.write_text("\n".join((headings, *rows)) + "\n", encoding="utf-8")
    return path


def oai_readings(folder: Path, *rows: str, name: str = "kxr_sq_bu00.txt", headings: str = OAI_HEADINGS) -> Path:
    """Readings of one visit."""
    return written(folder / name, headings, *(rows or OAI_ROWS))


def films(folder: Path, *rows: str, headings: str = "image,subject,visit,side") -> Path:
    """A table of pictures; each named picture is drawn if it is not there."""
    for row in rows:
        picture = folder / row.split(",")[0]
        if not picture.exists():
            Image.linear_gradient("L").resize((64, 64)).save(picture)
    return written(folder / "films.csv", headings, *rows)
