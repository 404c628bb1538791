"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from kneeoa.configs.schema import load_config
from kneeoa.model.errors import ReasonCode, Refusal
from kneeoa.model.grades import Box, FilmGrades, KLGrade, KneeGrades, ReleaseFacts
from kneeoa.model.radiograph import FilmFacts, Side, SideSource

ROOT = Path(__file__).parents[1]
FOLDERS = ("model", "training", "serving", "configs", "datasets")
MAX_LINES = 400
MAX_NETWORK_BYTES = 15_000_000
MAX_RELEASES_BYTES = 25_000_000
"""All networks together: every clone carries them."""
VAGUE_NAMES = {"utils", "util", "helpers", "common", "base", "manager"}
CODE = sorted(
    path
    for folder in (*FOLDERS, "src/kneeoa")
    for path in (ROOT / folder).rglob("*.py")
    if "releases" not in path.parts
)
MODULES = [path for path in CODE if path.resolve() == path]
"""Each module once, under its real folder, not through the links of src/kneeoa."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("folder", FOLDERS)
def test_link_of_the_package_leads_to_its_folder(folder: str) -> None:
    link = ROOT / "src" / "kneeoa" / folder
    assert link.is_symlink(), f"src/kneeoa/{folder} is no link; on Windows: git clone -c core.symlinks=true"
    assert link.resolve() == ROOT / folder


def test_no_module_is_longer_than_four_hundred_lines() -> None:
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert not {path: lines for path, lines in lengths.items() if lines > MAX_LINES}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not [name(path) for path in MODULES if {path.stem, path.parent.name} & VAGUE_NAMES]


def ignored(path: str, line: str) -> bool:
    """Whether a line of .gitignore matches a path or a folder above it, as gitignore(5) has it."""
    pattern, parts = line.strip("/"), path.split("/")
    if "/" in line.rstrip("/"):
        return any(fnmatch("/".join(parts[:end]), pattern) for end in range(1, len(parts) + 1))
    return any(fnmatch(part, pattern) for part in parts)


def test_gitignore_spares_the_five_folders() -> None:
    lines = [line for line in (ROOT / ".gitignore").read_text().split("\n") if line and not line.startswith("#")]
    kept = [f"{folder}/{file}" for folder in FOLDERS for file in ("module.py", "deep/module.py", "settings.yaml")]
    kept += [f"model/releases/kneeoa-6/{file}" for file in ("kl.onnx", "gate.npz", "finder.onnx", "release.json")]
    assert not [(path, line) for path in kept for line in lines if ignored(path, line)]
    assert any(ignored("model/__pycache__/x.pyc", line) for line in lines)


@pytest.mark.parametrize("module", ["kneeoa", "kneeoa.cli", "kneeoa.model.grader", "kneeoa.serving"])
def test_runtime_imports_no_torch(module: str) -> None:
    heavy = "{'torch', 'torchvision', 'monai', 'ignite', 'timm', 'sklearn', 'pandas', 'matplotlib'}"
    program = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def undocumented(tree: ast.Module) -> Iterator[str]:
    """Public modules, classes, functions and methods without a docstring worth the name."""
    if len(ast.get_docstring(tree) or "") < len("A module."):
        yield "the module"
    scopes: list[tuple[str, ast.Module | ast.ClassDef]] = [("", tree)]
    while scopes:
        prefix, scope = scopes.pop()
        for node in scope.body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name[0] == "_":
                continue
            if not ast.get_docstring(node):
                yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                scopes.append((f"{prefix}{node.name}.", node))


def test_everything_public_has_a_docstring() -> None:
    found = {name(path): list(undocumented(ast.parse(path.read_text(encoding="utf-8")))) for path in MODULES}
    assert not {path: names for path, names in found.items() if names}


def committed() -> list[Path]:
    """Every file of the repository, those about to be added too; nothing that git ignores."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / path for path in listed if path and (ROOT / path).is_file()]


def test_no_path_of_a_machine_is_committed() -> None:
    # In pieces, so that this file does not match itself. Networks are searched too: exporters write stack traces.
    roots = "|".join(("ro" + "ot", "wo" + "rk", "ho" + "me", "Us" + "ers"))
    machine = re.compile(rf"(?<![\w.~*-])/(?:{roots})/\w".encode())
    assert not {name(path) for path in committed() if machine.search(path.read_bytes())}


def test_no_file_is_large_but_the_networks() -> None:
    releases = ROOT / "model" / "releases"
    sizes = {path: path.stat().st_size for path in committed()}
    assert not [name(path) for path, size in sizes.items() if size > 1_000_000 and releases not in path.parents]
    assert not [name(path) for path, size in sizes.items() if size > MAX_NETWORK_BYTES]
    assert sum(size for path, size in sizes.items() if releases in path.parents) <= MAX_RELEASES_BYTES


def test_links_between_the_documents_lead_somewhere() -> None:
    missing = []
    for path in committed():
        if path.suffix == ".md":
            targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
            missing += [(name(path), t) for t in targets if "://" not in t and not (path.parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_configuration_is_valid(path: Path) -> None:
    assert load_config(path, ["data.root=somewhere"]).data.root == Path("somewhere")


@pytest.mark.parametrize("code", list(ReasonCode))
def test_reason_has_a_remedy_and_is_documented(code: ReasonCode) -> None:
    remedy = Refusal.because(code, "Something is wrong.").remedy
    rows = [line for line in (ROOT / "docs" / "refusals.md").read_text().splitlines() if f"| `{code}` |" in line]
    assert len(rows) == 1
    assert remedy in rows[0]


def shape(value: object) -> object:
    """Keys all the way down; of a list, its first item's; leaves say nothing."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value and isinstance(value[0], dict) else None


def test_documented_report_has_the_shape_of_a_report() -> None:
    document = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    example = json.loads(document.split("```json\n")[1].split("```")[0])
    kl = KLGrade(2, (0.1, 0.2, 0.4, 0.2, 0.1), 2.0, 0.7)
    knee = KneeGrades(Side.RIGHT, SideSource.TAG, box=Box(0.0, 0.0, 2.0, 2.0), kl=kl)
    report = FilmGrades(FilmFacts("film.dcm"), ReleaseFacts("kneeoa-6", "0", "0.1.0"), knees=(knee,)).to_json()
    assert shape(example) == shape(report)
