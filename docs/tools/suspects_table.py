"""Write the table of suspects in docs/clinical.md, from docs/suspects.json.

python benchmarks/suspects.py --archives FOLDER --write
python docs/tools/suspects_table.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cytopipe.core.io.atomic import write_text
from cytopipe.core.io.tables import markdown
from result_tables import with_table

PAGE = Path("docs/clinical.md")
_HEADER = ("dataset", "images", "groups", "balanced accuracy", "found", "right", "named", "named without flips")


def suspects_table(measured: dict[str, Any]) -> str:
    """One row for each dataset: how good the predictions are, and what they find of the flipped labels."""
    return markdown(_HEADER, [_row(name, one) for name, one in measured.items()])


def _row(name: str, one: dict[str, Any]) -> tuple[str, ...]:
    about = (name, f"{one['images']:,}", str(one["groups"]), f"{one['balanced accuracy']:.3f}")
    if one["withheld"]:
        return (*about, *["withheld"] * 4)
    shares = (one[key] for key in ("recall", "precision", "named", "named without flips"))
    return (*about, *(f"{share:.0%}" if share >= 0.1 else f"{share:.1%}" for share in shares))


def written(page: str, root: Path) -> str:
    """The page with the table."""
    return with_table(page, "suspects", root / "docs/suspects.json", suspects_table)


if __name__ == "__main__":
    write_text(PAGE, written(PAGE.read_text(encoding="utf-8"), Path()))
