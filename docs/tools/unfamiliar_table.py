"""Write the table of images unlike the training images into docs/clinical.md, from docs/unfamiliar.json.

python benchmarks/unfamiliar.py --project FOLDER --write
python docs/tools/unfamiliar_table.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cytopipe.core.io.atomic import write_text
from cytopipe.core.io.tables import markdown
from result_tables import with_table

PAGE, MEASURED = Path("docs/clinical.md"), Path("docs/unfamiliar.json")


def unfamiliar_table(measured: dict[str, Any]) -> str:
    """One row for each classifier: false alarms with their interval, and the share called unlike by alteration."""
    kinds = list(next(iter(measured.values()))["altered"])
    return markdown(("classifier", "false alarms", *kinds), [_row(name, one) for name, one in measured.items()])


def _row(name: str, one: dict[str, Any]) -> tuple[str, ...]:
    alarms = one["false_alarms"]
    rate = f"{alarms['value']:.1%} ({alarms['low']:.1%} to {alarms['high']:.1%})"
    cells = [f"{row['flagged']['value']:.2f}; {row['auroc']['value']:.2f}" for row in one["altered"].values()]
    return (name, rate, *cells)


def written(page: str, root: Path) -> str:
    """The page with the table."""
    return with_table(page, "unfamiliar", root / MEASURED, unfamiliar_table)


if __name__ == "__main__":
    write_text(PAGE, written(PAGE.read_text(encoding="utf-8"), Path()))
