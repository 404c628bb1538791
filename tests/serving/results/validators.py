"""Other people's validators: dicom3tools' dciodvfy (modules), DCMTK's dsrdump (relationships), PixelMed (templates)."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_JAR = "/usr/share/java/pixelmed.jar"
_LIMITS = ("TotalOpLimit", "ExprOpLimit", "ExprGrpLimit")
"""Of Java's XPath, which the compiled templates exceed."""
_PIXELMED = (*(f"-Djdk.xml.xpath{name}=0" for name in _LIMITS), "-cp", _JAR, "com.pixelmed.validate.DicomSRValidator")
_SECONDS = 550
"""PixelMed takes 20 on an idle machine and ten times that on a busy one."""
_ENDS = {"pixelmed": "IOD validation complete"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a validator says of a file, line by line; places in the file are left out of warnings."""

    errors: tuple[str, ...]
    warnings: frozenset[str]


def verdict(program: str, path: Path) -> Verdict:
    """Asks one of them.

    Args:
        program: "dciodvfy", "dsrdump", "dcmdump" or "pixelmed".
        path: a DICOM file.
    """
    options = {"dciodvfy": ("-new",), "pixelmed": _PIXELMED}.get(program, ())
    name = "java" if program == "pixelmed" else program
    found = shutil.which(name) or str(Path(sys.executable).parent / name)
    done = subprocess.run([found, *options, str(path)], capture_output=True, text=True, timeout=_SECONDS, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    wrong = [line for line in lines if line.startswith(("Error", "E:", "F:"))]
    if not wrong and (done.returncode != 0 or _ENDS.get(program, "") not in done.stdout):
        wrong = lines or [f"{program} ended with status {done.returncode}"]
    warned = [line for line in lines if line.startswith(("Warning", "W:"))]
    return Verdict(tuple(wrong), frozenset(_anywhere(line) for line in warned))


def _anywhere(warning: str) -> str:
    """A warning without the place: PixelMed's path shrinks to its last item, dciodvfy's goes."""
    short = re.sub(r"<[^<>]*\(0008,0102\)\[1\]>", "<Coding Scheme Designator>", warning)
    return re.sub(r"Warning: [0-9.]+: \S.*/((?:CODE|TEXT|NUM|IMAGE|SCOORD|CONTAINER) \()", r"Warning: \1", short)
