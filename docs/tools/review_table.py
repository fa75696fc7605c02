"""Write the table of the simulated reviewer in docs/review.md, from docs/review.json.

python benchmarks/review.py --write
python docs/tools/review_table.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cytopipe.core.io.atomic import write_text
from cytopipe.core.io.tables import markdown
from result_tables import with_table

PAGE = Path("docs/review.md")
_HEADER = ("task and order", "measure", "queue", "random", "difference", "95 % interval", "seeds won")
_MEASURES = {
    "mean of the curve": "accuracy, mean while naming",
    "at the end": "accuracy at the end",
    "found": "share of wrong labels found",
    "accuracy after": "accuracy after correcting",
}


def review_table(measured: dict[str, Any]) -> str:
    """One row for each task, order and measure: the queue against chance, paired over seeds."""
    rows = []
    for one in measured.values():
        for task, numbers in one.items():
            if isinstance(numbers, dict):
                rows += [_row(task, _MEASURES[key], numbers[key], one["seeds"]) for key in _MEASURES if key in numbers]
    return markdown(_HEADER, rows)


def _row(task: str, measure: str, found: dict[str, Any], seeds: int) -> tuple[str, ...]:
    means = (f"{found[key]:.3f}" for key in ("queue", "random"))
    limits = f"{found['low']:+.3f} to {found['high']:+.3f}"
    return (task, measure, *means, f"{found['difference']:+.3f}", limits, f"{found['seeds won']} of {seeds}")


def written(page: str, root: Path) -> str:
    """The page with the table."""
    return with_table(page, "review", root / "docs/review.json", review_table)


if __name__ == "__main__":
    write_text(PAGE, written(PAGE.read_text(encoding="utf-8"), Path()))
