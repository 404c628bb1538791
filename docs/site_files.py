"""Brings the documents of the repository's root into the site: mkdocs itself knows only what lies under docs/.

Links between the two are written as they work in the repository, `../SECURITY.md` here and `docs/limits.md` there, and
turned into links of the site as it is built.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
FROM_ROOT = ("MODEL_CARD.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "LICENSE")
_TARGET = re.compile(r"(?<=\]\()([^)\s#]+)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds the root's documents to the site's files."""
    for name in FROM_ROOT:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns links between the root and docs/ into links of the site."""
    del config, files
    prefix = "docs/" if page.file.src_uri in FROM_ROOT else "../"

    def moved(found: re.Match[str]) -> str:
        target = found[1].removeprefix(prefix) if found[1].startswith(prefix) else found[1]
        return "index.md" if target == "README.md" else target

    return _TARGET.sub(moved, markdown)
