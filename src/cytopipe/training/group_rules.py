"""Fit the rule that makes one answer of the images of a group, on groups that no network was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cytopipe.core.params.patients import Patients, PoolingRule, SimpleRule
from cytopipe.metrics.clusters import LEAST_GROUPS
from cytopipe.metrics.operating_points import threshold_at_specificity
from cytopipe.metrics.patients import EDGE, UNKNOWN, Groups, counted, expit, log_odds, pooled
from cytopipe.metrics.platt import Line, fit_line
from cytopipe.metrics.poisson_binomial import EXACT
from cytopipe.models.patients import Evidence, raw_odds
from cytopipe.results.patients import FittedOn, PatientRule

SIMPLE: tuple[SimpleRule, ...] = ("mean", "max", "noisy_or", "quantile", "count")  # the first of equals wins
QUANTILES = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
SHIFTS = np.arange(-6.0, 6.5, 1.0)
FINER = (0.5, 0.25)  # steps around the best shift
DEFAULTS: Mapping[SimpleRule, Mapping[str, Any]] = {
    "mean": {},
    "max": {},
    "noisy_or": {},
    "quantile": {"quantile": 0.9},
    "count": {"count": 1, "shift": 0.0},
}


@dataclass(frozen=True)
class Held:
    """Images of groups that the network was not trained on.

    Attributes:
        groups: groups of the N images.
        labels: G labels: 1 abnormal, 0 normal, -1 none; see `metrics.patients.group_labels`.
        abnormal: N booleans, the truth of the images.
        evidence: what the network says of them.
        source: where they come from.
    """

    groups: Groups
    labels: np.ndarray
    abnormal: np.ndarray
    evidence: Evidence
    source: str = "validation"


@dataclass(frozen=True)
class _Fit:
    """A rule with its parameters, its line and Akaike's criterion."""

    rule: PoolingRule
    criterion: float
    line: Line
    parameters: Mapping[str, Any] = field(default_factory=dict)


def fit_rule(config: Patients, held: Held) -> PatientRule:
    """Fit parameters, calibration and threshold.

    Rules are compared by the likelihood of the groups' labels under Platt scaling, with one unit for each parameter of
    the rule (Akaike 1974). Under 5 groups of a class nothing is fitted: the rule has its usual parameters (the mean,
    for `auto`), its score is not calibrated, and the decision is withheld.

    Args:
        config: the rule to fit.
        held: images of groups that the network was not trained on; for `abmil` with energies and values.
    """
    labels = held.labels
    groups, images = held.groups.only(labels != UNKNOWN)
    abnormal = labels[labels != UNKNOWN] == 1
    count = int(abnormal.sum())
    base: dict[str, Any] = {"label": config.label, "specificity": config.specificity}
    base["fitted_on"] = FittedOn.model_validate(
        {
            "source": held.source,
            "groups": len(abnormal),
            "normal": len(abnormal) - count,
            "abnormal": count,
            "left_out": len(labels) - len(abnormal),
        }
    )
    if not enough(labels):
        rule: PoolingRule = "mean" if config.rule == "auto" else config.rule
        parameters = {} if rule == "abmil" else DEFAULTS[rule]
        return PatientRule(rule=rule, withheld=too_few(held.source, labels), **parameters, **base)
    evidence = held.evidence.of(images)
    if config.rule == "abmil":
        fits = [_fit_attention(groups, evidence, abnormal)]
    else:
        wanted = SIMPLE if config.rule == "auto" else (config.rule,)
        shift = image_shift(evidence.scores, held.abnormal[images])
        fits = [_fit_simple(rule, groups, evidence.scores, abnormal, shift) for rule in wanted]
    best = min(fits, key=lambda one: round(one.criterion, 9))
    found = PatientRule(
        rule=best.rule,
        slope=_six(best.line.slope),
        intercept=_six(best.line.intercept),
        criterion={one.rule: _six(one.criterion) for one in fits} if len(fits) > 1 else {},
        **best.parameters,
        **base,
    )
    odds = (found.slope or 0.0) * raw_odds(found, groups, evidence) + (found.intercept or 0.0)
    threshold = threshold_at_specificity(odds, abnormal, config.specificity)
    return found.model_copy(update={"threshold": threshold})


def enough(labels: np.ndarray) -> bool:
    """Whether there are 5 groups of each class among G labels, see `group_labels`."""
    return min(int((labels == 0).sum()), int((labels == 1).sum())) >= LEAST_GROUPS


def too_few(source: str, labels: np.ndarray) -> str:
    """Why nothing is fitted on these groups, as text."""
    normal, abnormal = int((labels == 0).sum()), int((labels == 1).sum())
    counts = f"{normal} normal and {abnormal} abnormal {source} groups"
    return f"{counts}: under {LEAST_GROUPS} of a class, nothing is fitted"


def _fit_attention(groups: Groups, evidence: Evidence, abnormal: np.ndarray) -> _Fit:
    rule = PatientRule(rule="abmil", label="worst", specificity=0.5)
    line = fit_line(raw_odds(rule, groups, evidence), abnormal)
    return _Fit("abmil", 2 * line.loss, line)


def image_shift(scores: np.ndarray, abnormal: np.ndarray) -> float:
    """What to add to the log odds of images so that their probabilities sum to the number of abnormal ones.

    Args:
        scores: N probabilities.
        abnormal: N booleans, the truth of the images.

    Returns:
        A number from -10 to 10 with three decimals, by bisection.
    """
    odds = log_odds(np.clip(scores, EDGE, 1 - EDGE))
    low, high = -10.0, 10.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if expit(odds + middle).sum() > abnormal.sum() else (middle, high)
    return round((low + high) / 2, 3)


def _fit_simple(rule: SimpleRule, groups: Groups, scores: np.ndarray, abnormal: np.ndarray, shift: float) -> _Fit:
    if rule == "count":
        return _fit_count(groups, scores, abnormal, shift)
    choices = [{"quantile": share} for share in QUANTILES] if rule == "quantile" else [{}]
    fits = [
        _fit(rule, pooled(rule, scores, groups, **chosen), abnormal, chosen, len(chosen))  # type: ignore[arg-type]
        for chosen in choices
    ]
    return min(fits, key=lambda one: one.criterion)


def _fit_count(groups: Groups, scores: np.ndarray, abnormal: np.ndarray, of_images: float) -> _Fit:
    """Choose the count, and the shift of the images' log odds: that of their own labels, or a free parameter."""
    counts = _counts(int(groups.sizes.max()))

    def tried(shift: float) -> Iterator[_Fit]:
        odds = counted(scores, groups, counts, shift)
        for place, count in enumerate(counts):
            chosen = {"count": count, "shift": shift}
            yield _fit("count", odds[:, place], abnormal, chosen, 1 + (shift != of_images))

    def least(shifts: Iterator[float]) -> _Fit:
        return min((one for shift in shifts for one in tried(shift)), key=lambda one: round(one.criterion, 9))

    best = least(iter((of_images, *SHIFTS.tolist())))
    for step in FINER:
        centre = best.parameters["shift"]
        near = least(iter((centre - step, centre + step)))
        best = near if near.criterion < best.criterion else best
    return best


def _counts(largest: int) -> list[int]:
    """Counts to try: every one to 10, then in steps of a tenth, up to the largest group."""
    counts, count = list[int](), 1
    while count <= largest:
        counts.append(count)
        count = max(count + 1, round(count * 1.1)) if count <= EXACT else round(count * 1.15)
    return counts


def _fit(rule: PoolingRule, odds: np.ndarray, abnormal: np.ndarray, parameters: Mapping[str, Any], free: int) -> _Fit:
    line = fit_line(odds, abnormal)
    return _Fit(rule, 2 * line.loss + 2 * free, line, parameters)


def _six(value: float) -> float:
    """As exact as patients.json prints it, so that its readers compute the very same decisions."""
    return float(f"{value:.6g}")
