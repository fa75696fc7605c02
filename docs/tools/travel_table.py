"""Write the tables of docs/travel.md, from docs/travel.json.

python benchmarks/travel.py --archives FOLDER --weights FOLDER --write
python docs/tools/travel_table.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cytopipe.core.io.atomic import write_text
from cytopipe.core.io.tables import markdown
from result_tables import with_table

PAGE, MEASURED = Path("docs/travel.md"), Path("docs/travel.json")
PARTS = ("nucleus", "cell")


def travel_table(measured: dict[str, Any]) -> str:
    """One table for each plan: Dice of nucleus and cell by laboratory and recipe, bold where the gain is resolved."""
    gains = {(one["plan"], one["recipe"], one["lab"], one["part"]): one for one in measured["gains"]}
    tables = []
    for plan in dict.fromkeys(run["plan"] for run in measured["runs"]):
        runs = [run for run in measured["runs"] if run["plan"] == plan]
        rows = [
            (lab, *(_dice(run, lab, [gains.get((plan, run["recipe"], lab, part)) for part in PARTS]) for run in runs))
            for lab in measured["labs"]
            if all(lab in run["mean"] for run in runs)
        ]
        about = f"{plan}: trained on {runs[0]['trained_on']} images, tested on {runs[0]['tested_on']}"
        tables.append(f"{about}\n\n{markdown((plan, *(run['recipe'] for run in runs)), rows)}")
    return "\n\n".join(tables)


def _dice(run: dict[str, Any], lab: str, gains: list[dict[str, Any] | None]) -> str:
    """Dice of nucleus and cell; a star where the difference to the former recipe is resolved."""
    stars = ["*" if gain is not None and gain["p"] < 0.05 else "" for gain in gains]
    return " / ".join(f"{value:.3f}{star}" for value, star in zip(run["mean"][lab], stars, strict=True))


def written(page: str, root: Path) -> str:
    """The page with the tables."""
    return with_table(page, "travel", root / MEASURED, travel_table)


if __name__ == "__main__":
    write_text(PAGE, written(PAGE.read_text(encoding="utf-8"), Path()))
