"""A recipe and a folder to fill."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ABOUT = {"home": "https://example.org/cells", "licence": "CC0-1.0", "citation": "Nobody 2020"}


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Path]:
    """Write a recipe; keys given override, None removes."""

    def write(**keys: object) -> Path:
        path = tmp_path / "recipe.yaml"
        merged = {key: value for key, value in (ABOUT | keys).items() if value is not None}
        path.write_text(yaml.safe_dump(merged))
        return path

    return write


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"
