"""Write the tables of coverage in docs/evaluation.md from docs/coverage.json (`python benchmarks/coverage.py --write`).

python docs/tools/coverage_tables.py
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

PAGE = Path("docs/evaluation.md")
STORED = Path("docs/coverage.json")

Row = Mapping[str, Any]


def intervals(rows: Sequence[Row]) -> str:
    """One row for each metric and situation, one column for each number of groups and images."""
    sizes = list(dict.fromkeys((row["groups"], row["size"]) for row in rows))
    table: dict[tuple[str, ...], dict[tuple[int, int], str]] = {}
    for row in rows:
        ours = f"{row['coverage']:.3f} ({row['width']:.3g})"
        theirs = f"{row['bootstrap_coverage']:.3f} ({row['bootstrap_width']:.3g})"
        table.setdefault(_situation(row), {})[row["groups"], row["size"]] = f"{ours}; {theirs}"
    header = ("metric", "situation", "ICC", *(f"{groups} x {size}" for groups, size in sizes))
    return markdown(header, [(*key, *(cells.get(size, "-") for size in sizes)) for key, cells in table.items()])


def _situation(row: Row) -> tuple[str, str, str]:
    about = []
    if row["metric"] in ("accuracy", "sensitivity", "AUC"):
        about.append(f"{row['share']:g}")
    if row["prevalence"] < 1:
        about.append(f"prevalence {row['prevalence']:g}")
    if row["nested"]:
        about.append("a class per group")
    return row["metric"], ", ".join(about) or "-", f"{row['icc']:g}"


def false_alarms(rows: Sequence[Row]) -> str:
    """One row for each number of groups and ICC."""
    return markdown(
        ("groups x images", "ICC", "cluster t", "paired bootstrap"),
        [
            (
                f"{row['groups']} x {row['size']}",
                f"{row['icc']:g}",
                f"{row['cluster_t']:.3f}",
                f"{row['bootstrap']:.3f}",
            )
            for row in rows
        ],
    )


def page(text: str, stored: Mapping[str, Sequence[Row]]) -> str:
    """The page with both tables.

    Raises:
        CytopipeError: if the page lacks a marker.
    """
    text = between(text, "coverage", intervals(stored["intervals"]))
    return between(text, "false-alarms", false_alarms(stored["tests"]))


if __name__ == "__main__":
    try:
        write_text(PAGE, page(PAGE.read_text(encoding="utf-8"), json.loads(STORED.read_text(encoding="utf-8"))))
    except CytopipeError as error:
        sys.exit(f"error: {error}")
    print(PAGE)
