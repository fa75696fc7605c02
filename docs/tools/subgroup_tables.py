"""Write the table of subgroups in docs/clinical.md from docs/subgroups.json (`python benchmarks/subgroups.py --write`).

python docs/tools/subgroup_tables.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cytopipe.core.io.atomic import write_text
from cytopipe.core.io.tables import markdown
from cytopipe.errors import CytopipeError
from result_tables import between

PAGE = Path("docs/clinical.md")
STORED = Path("docs/subgroups.json")

Row = Mapping[str, Any]


def table(rows: Sequence[Row]) -> str:
    """One row for each situation."""
    header = ("patients x images", "situation", "tests", "draws with a false alarm", "deficit found", "in accuracy")
    return markdown(header, [_line(row) for row in rows])


def _line(row: Row) -> tuple[str, ...]:
    about = [f"site B worse by {row['deficit']:g} sd" if row["deficit"] else "no difference"]
    if row["nested"]:
        about.append("a class per patient")
    if row["prevalence"] > 0.5:
        about.append(f"one class {row['prevalence']:.0%}".replace("%", " %"))
    if row["skill"] > 3:
        about.append("few errors")

    def of(count: int | None) -> str:
        return "" if count is None else f"{count} of {row['draws']}"

    return (
        f"{row['patients']} x {row['images']}",
        ", ".join(about),
        f"{row['tests']:.0f}",
        of(row["false_alarms"]),
        of(row["found"]),
        of(row["found_by_accuracy"]),
    )


def page(text: str, rows: Sequence[Row]) -> str:
    """The page with its table.

    Raises:
        CytopipeError: if the page lacks a marker.
    """
    return between(text, "subgroups", table(rows))


if __name__ == "__main__":
    try:
        write_text(PAGE, page(PAGE.read_text(encoding="utf-8"), json.loads(STORED.read_text(encoding="utf-8"))))
    except CytopipeError as error:
        sys.exit(f"error: {error}")
    print(PAGE)
