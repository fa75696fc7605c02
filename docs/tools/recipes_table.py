"""Write the table of training options in docs/models.md, from docs/recipes.json.

python benchmarks/recipes.py --archives FOLDER --weights FOLDER --write
python docs/tools/recipes_table.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cytopipe.core.io.atomic import write_text
from cytopipe.core.io.tables import markdown
from result_tables import between

PAGE = Path("docs/models.md")
_HEADER = ("recipe", "accuracy", "beside", "difference", "95 % interval", "p (Holm)", "resolved")


def recipes_table(rows: list[dict[str, Any]]) -> str:
    """One row for each recipe: its accuracy, and its paired difference from the plain recipe."""
    return markdown(_HEADER, [_row(one) for one in rows])


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    accuracy = f"{one['accuracy']:.3f}"
    if "beside" not in one:
        return (one["recipe"], accuracy, *["-"] * 5)
    interval = f"{one['low']:+.3f} to {one['high']:+.3f}"
    resolved = "yes" if one["p_holm"] < 0.05 else "no"
    return (one["recipe"], accuracy, one["beside"], f"{one['difference']:+.3f}", interval, _p(one["p_holm"]), resolved)


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"{value:.3f}"


def written(page: str, root: Path) -> str:
    """The page with the table."""
    measured = json.loads((root / "docs/recipes.json").read_text(encoding="utf-8"))
    return between(page, "recipes", recipes_table(measured["recipes"]))


if __name__ == "__main__":
    write_text(PAGE, written(PAGE.read_text(encoding="utf-8"), Path()))
