"""Write the measured tables of docs/evaluation.md, from docs/audit.json and docs/gate.json.

python benchmarks/audit.py --archives FOLDER --write && python benchmarks/gate.py --write
python docs/tools/measured_tables.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cytopipe.core.io.atomic import write_text
from cytopipe.core.io.tables import markdown
from result_tables import with_table

PAGE = Path("docs/evaluation.md")


def audit_table(measured: dict[str, Any]) -> str:
    """One row for each dataset: planted copies that are found by kind, other pairs, and what a mark tells."""
    kinds = list(next(iter(measured.values()))["found"])
    header = ("dataset", "images", *kinds, "other pairs", "no mark", "serial number", "hot pixel")
    return markdown(header, [_audited(name, one, kinds) for name, one in measured.items()])


def _audited(name: str, one: dict[str, Any], kinds: list[str]) -> tuple[str, ...]:
    found = [f"{one['found'][kind]} of {one['planted']}" for kind in kinds]
    marks = [
        mark["verdict"] if mark["told"] is None else f"{mark['verdict']}, {mark['told']:.2f}"
        for mark in one["marks"].values()
    ]
    return (name, f"{one['images']:,}", *found, str(one["other pairs"]), *marks)


def gate_table(measured: dict[str, Any]) -> str:
    """One row for each setting: the share of draws that the gate refuses, and that the interval alone refuses."""
    changes = list(dict.fromkeys(row["change"] for row in measured["rows"]))
    settings = list(dict.fromkeys((row["groups"], row["images"], row["icc"]) for row in measured["rows"]))
    cells = {(row["groups"], row["images"], row["icc"], row["change"]): row for row in measured["rows"]}
    rows = []
    for setting in settings:
        of_setting = [cells[(*setting, change)] for change in changes]
        shares = [f"{row['refused']:.1%} ({row['interval']:.1%})" for row in of_setting]
        rows.append((f"{setting[0]} of {setting[1]}", f"{setting[2]:g}", *shares))
    return markdown(("groups", "ICC", *changes), rows)


def written(page: str, root: Path) -> str:
    """The page with both tables."""
    for mark, table in (("audit", audit_table), ("gate", gate_table)):
        page = with_table(page, mark, root / f"docs/{mark}.json", table)
    return page


if __name__ == "__main__":
    write_text(PAGE, written(PAGE.read_text(encoding="utf-8"), Path()))
