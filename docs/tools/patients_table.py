"""Write the table of docs/clinical.md of how well rules find abnormal patients, from docs/patients.json.

python benchmarks/patients.py --write
python docs/tools/patients_table.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cytopipe.core.io.atomic import write_text
from cytopipe.core.io.tables import markdown
from result_tables import with_table

PAGE = Path("docs/clinical.md")


def patients_table(measured: list[dict[str, Any]]) -> str:
    """One row for each case: the Bayes AUC, and that of each rule with the share of intervals that hold it."""
    rules = list(measured[0]["rules"])
    rows = []
    for case in measured:
        found = [case["rules"][rule] for rule in rules]
        cells = [f"{one['auc']:.3f} ({one['interval_holds_bayes']:.2f})" for one in found]
        what = f"{case['least']} of {case['cells']} cells, prevalence {case['prevalence']:.0%}"
        rows.append((what, f"{case['bayes_auc']:.3f}", *cells, case["abmil_above_mean"]))
    return markdown(("abnormal from", "Bayes", *rules, "abmil above mean"), rows)


def written(page: str, root: Path) -> str:
    """The page with the table."""
    return with_table(page, "patients", root / "docs/patients.json", patients_table)


if __name__ == "__main__":
    write_text(PAGE, written(PAGE.read_text(encoding="utf-8"), Path()))
