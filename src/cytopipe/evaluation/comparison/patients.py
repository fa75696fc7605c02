"""The block of the leaderboard per patient: how well each classifier answers for whole groups of images."""

from __future__ import annotations

from collections.abc import Sequence

from cytopipe.core.io.tables import markdown
from cytopipe.results.leaderboard import RankedClassifier
from cytopipe.results.numbers import Estimate


def per_patient(rows: Sequence[RankedClassifier]) -> list[str]:
    """A table and the reasons for missing numbers, as Markdown; nothing where no classifier answers for groups."""
    known = [(row.name, row.patients) for row in rows if row.patients]
    if not known:
        return []
    header = ("per patient", "rule", "groups", "AUC", "95 %", "sensitivity", "specificity")
    lines = [
        (
            name,
            one.rule,
            f"{one.groups}, {one.abnormal} abnormal",
            _value(one.auc),
            _limits(one.auc),
            f"{_value(one.sensitivity)} ({_limits(one.sensitivity)})",
            f"{_value(one.specificity)} ({_limits(one.specificity)})",
        )
        for name, one in known
    ]
    missing = [f"- `{name}`: no numbers per patient: {one.why}.\n" for name, one in known if one.why]
    return [markdown(header, lines), *missing]


def _value(one: Estimate | None) -> str:
    return "-" if one is None or one.value is None else f"{one.value:.3f}"


def _limits(one: Estimate | None) -> str:
    return "-" if one is None or one.low is None else f"{one.low:.3f} to {one.high:.3f}"
