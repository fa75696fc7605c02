"""The files that docs/architecture.md shows as worked examples."""

from __future__ import annotations

import re
from pathlib import Path

WRITER = "src/cytopipe_phantoms/writers/yeast.py"
TABLE = "workflow/phantoms/yeast.yaml"
DATASET = ("src/cytopipe/adapters/yeast.py", "workflow/sources/yeast.yaml", "workflow/presets/yeast.yaml")
MODEL, CLASSIFIER = "src/cytopipe/models/architectures/small_cnn.py", "params.yaml: classifiers"


def documented_files(root: Path) -> dict[str, str]:
    """Contents by the title of their code block: a path in the project, or a part of params.yaml."""
    text = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    return dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', text, re.MULTILINE | re.DOTALL))


def add_files(root: Path, folder: Path, *names: str) -> None:
    """Add documented files to a copy of the project."""
    for name in names:
        assert not (folder / name).exists()
        (folder / name).write_text(documented_files(root)[name], encoding="utf-8")
