"""The answers for whole groups of images (patients, slides) in the report and the model cards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cytopipe.report.render import interval, number, percent
from cytopipe.results.numbers import Estimate
from cytopipe.results.patients import PatientEvaluation

Table = Callable[[Sequence[str], Iterable[Sequence[str]]], str]


def patient_rows(found: PatientEvaluation) -> list[tuple[str, Estimate]]:
    """The numbers of groups that are defined, by title."""
    wanted = percent(found.wanted_specificity)
    titles = {
        "AUC": found.auc,
        f"sensitivity, threshold for {wanted} specificity": found.sensitivity,
        "specificity that it reached": found.specificity,
        "accuracy": found.accuracy,
        "Brier score": found.brier,
    }
    return [(title, one) for title, one in titles.items() if one is not None and one.value is not None]


def patients_of_card(found: PatientEvaluation | None, table: Table) -> str:
    """The section of a model card, as Markdown; empty for a classifier without rules for groups."""
    if found is None:
        return ""
    head = f"One answer for each group of images: {found.rule.words}; groups of both kinds: `{found.rule.label}`."
    if found.why:
        return f"{head} No numbers: {found.why}.\n"
    rows = [(title, number(one.value), one.withheld or interval(one)) for title, one in patient_rows(found)]
    title = f"{found.groups} test groups, {found.abnormal} abnormal"
    withheld = "" if found.confusion else f"\nDecisions are withheld: {found.rule.withheld}.\n"
    return f"{head}\n\n{table((title, 'value', '95 % interval'), rows)}{withheld}"
