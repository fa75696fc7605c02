"""The modules and files that the documentation names exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
NAME = re.compile(r"`(cytopipe(?:_phantoms)?(?:\.\w+)+)`")
FILE = re.compile(r"`((?:src|stages|workflow|tests|docs|benchmarks)/[\w./-]+)`")
OLD = re.compile(r"^\| `[^|]*\| ", re.MULTILINE)  # first column of the changelog's table of renames


def missing_names(text: str) -> list[str]:
    """Dotted names that are no module, and nothing that a module holds."""
    return [name for name in dict.fromkeys(NAME.findall(text)) if not _exists(name)]


def _exists(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        try:
            return hasattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError:
            return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.name == "CHANGELOG.md":
        text = OLD.sub("| ", text)
    assert missing_names(text) == []
    named = [name for name in dict.fromkeys(FILE.findall(text)) if "NAME" not in name]
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_a_name_that_does_not_exist_is_found() -> None:
    text = "`cytopipe.errors` `cytopipe.errors.CytopipeError` `cytopipe.nothing` `cytopipe.errors.Nothing`"
    assert missing_names(text) == ["cytopipe.nothing", "cytopipe.errors.Nothing"]
