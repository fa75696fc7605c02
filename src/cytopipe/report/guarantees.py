"""What a classifier guarantees for new groups, prepared for the report and the model card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cytopipe.report.render import number, percent
from cytopipe.results.guarantees import GuaranteeDetails, SensitivityDetails
from cytopipe.results.numbers import Estimate


@dataclass(frozen=True)
class PatientsView:
    """One threshold for groups: its promise in words, and its test."""

    promise: str
    details: SensitivityDetails


@dataclass(frozen=True)
class GuaranteesView:
    """The guarantees of a classifier; `promise` is what holds, in words, and `verdict` what the test shows of it."""

    details: GuaranteeDetails
    promise: str
    verdict: str
    calibrated: str
    patients: Sequence[PatientsView]


def guarantees_view(details: GuaranteeDetails | None) -> GuaranteesView | None:
    """Prepare the guarantees of a classifier; None if it has none."""
    if details is None:
        return None
    sets = details.sets
    return GuaranteesView(
        details,
        f"the set of a random image of a new group contains its class in at least {percent(sets.wanted)} of cases, on "
        "average over new groups like these.",
        _verdict(sets.scores.coverage, sets.wanted) if sets.scores else "",
        _calibrated(details),
        [PatientsView(_promise(one), one) for one in details.patients],
    )


def _calibrated(details: GuaranteeDetails) -> str:
    """Which groups the thresholds come from, as text."""
    groups = ", ".join(map(str, details.sets.groups))
    if details.calibrated_on == "out-of-fold":
        return f"{groups} groups, each predicted by networks that did not train on it, which guarantees less"
    if len(details.sets.groups) > 1:
        return (
            f"the {groups} validation groups of the folds, and of each network alone; the sets of their mean, which "
            "predicts new images, come from out-of-fold predictions and are not tested here"
        )
    return f"the {groups} validation groups"


def _promise(one: SensitivityDetails) -> str:
    how = "on average" if one.confidence is None else f"with {percent(one.confidence)} confidence"
    return f"at least {percent(one.wanted)} {how}"


def _verdict(reached: Estimate, wanted: float) -> str:
    """What a share of the test groups says about the promise; the test may only be too small to tell."""
    if reached.value is None or reached.low is None or reached.high is None:
        return "The test groups are too few to check this."
    if reached.high < wanted:
        return (
            f"The test groups contradict it: {number(reached.value)}, and the interval ends below {percent(wanted)}. "
            "They are unlike the groups that calibrated it."
        )
    return "The test groups agree with it."
