"""The test of what a classifier guarantees: sets of classes, and the sensitivity of groups (patients, slides).

The thresholds were chosen in training; test images choose nothing. A cross-validated classifier has those of each fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cytopipe.evaluation.classifier.evaluate import Evaluation
from cytopipe.metrics.clusters import positions, ratio
from cytopipe.metrics.conformal import class_sets
from cytopipe.metrics.intervals import Scale, measured
from cytopipe.metrics.risk_control import GroupScore, group_scores
from cytopipe.models.decision_rule import abnormal_groups, abnormality
from cytopipe.models.folds import Folds
from cytopipe.results.ensemble import Ensemble
from cytopipe.results.guarantees import (
    ClassCoverage,
    GuaranteeDetails,
    GuaranteeRule,
    NaiveSets,
    SensitivityDetails,
    SensitivityRule,
    SetDetails,
    SetRule,
    SetScores,
)
from cytopipe.results.model_spec import SPEC, ModelSpec
from cytopipe.results.numbers import Estimate


def evaluate_guarantees(found: Evaluation, model_folder: Path) -> GuaranteeDetails | None:
    """Test the guarantees of a classifier; None if it has none, because it is older or params.yaml asks for none.

    Args:
        found: its predictions of the test images.
        model_folder: folder of the network, or of one network per fold.
    """
    folds = Folds.read(model_folder)
    together = Ensemble.read(model_folder)
    if together and not folds:  # the mean of several seeds, which is what predicted the test images
        return details_of(found, [together.guarantees]) if together.guarantees else None
    specs = [ModelSpec.read(model_folder / part / SPEC) for part in folds.parts()]
    rules = [spec.guarantees for spec in specs if spec.guarantees is not None]
    return None if len(rules) < len(specs) else details_of(found, rules)


def details_of(found: Evaluation, rules: Sequence[GuaranteeRule]) -> GuaranteeDetails:
    """Test guarantees on test images.

    Args:
        found: predictions of the test images.
        rules: what each network guarantees, in the order of `found.part`.
    """
    groups = [row.group for row in found.rows]
    return GuaranteeDetails(
        calibrated_on=rules[0].calibrated_on,
        test_groups=len(set(groups)),
        sets=_sets(found, [rule.sets for rule in rules], groups),
        group_score=rules[0].group_score,
        patients=tuple(
            _patients(found, same, rules[0].group_score, groups)
            for same in zip(*(rule.patients for rule in rules), strict=True)
        ),
    )


def _sets(found: Evaluation, rules: Sequence[SetRule], groups: Sequence[str]) -> SetDetails:
    why = next((rule.withheld for rule in rules if rule.withheld), None)
    least, naive = ([getattr(rule, name) for rule in rules] for name in ("least", "least_by_images"))
    return SetDetails(
        wanted=rules[0].coverage,
        groups=tuple(rule.groups for rule in rules),
        images=tuple(rule.images for rule in rules),
        least=tuple(least),
        withheld=why,
        scores=None if why else _scores(found, np.array(least)[found.part], np.array(naive)[found.part], groups),
    )


def _scores(found: Evaluation, least: np.ndarray, naive: np.ndarray, groups: Sequence[str]) -> SetScores:
    chosen, by_images = (class_sets(found.calibrated, one) for one in (least, naive))
    hit, size = _hit(chosen, found.truth), chosen.sum(axis=1)
    per_class = {}
    for index, label in enumerate(found.classes):
        mine = np.flatnonzero(found.truth == index)
        named = [groups[image] for image in mine.tolist()]
        per_class[label] = ClassCoverage(
            images=len(mine), groups=len(set(named)), coverage=over_groups(hit[mine], named)
        )
    return SetScores(
        coverage=over_groups(hit, groups),
        coverage_of_images=Estimate.of(measured(ratio(hit, np.ones(len(hit)), groups))),
        size=over_groups(size, groups, "positive"),
        singletons=over_groups(size == 1, groups),
        filled=float((found.calibrated.max(axis=1) < least).mean()),
        per_class=per_class,
        by_images=NaiveSets(
            coverage=over_groups(_hit(by_images, found.truth), groups),
            size=over_groups(by_images.sum(axis=1), groups, "positive"),
        ),
    )


def _hit(chosen: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """1 for each image whose set contains its class, else 0: N float64."""
    hit: np.ndarray = chosen[np.arange(len(truth)), truth].astype(float)
    return hit


def over_groups(values: np.ndarray, groups: Sequence[str], scale: Scale = "share") -> Estimate:
    """The mean over groups of the mean over the images of each, with its interval: what a random new group gives."""
    if not len(values):
        return Estimate(value=None)
    number = positions(groups)
    means = np.bincount(number, values) / np.bincount(number)
    return Estimate.of(measured(ratio(means, np.ones(len(means)), np.arange(len(means)).astype(str).tolist()), scale))


def _patients(
    found: Evaluation, rules: Sequence[SensitivityRule], how: GroupScore, groups: Sequence[str]
) -> SensitivityDetails:
    """The test of one threshold of each network; a group is tested by the network that tests its images."""
    names = found.decisions[0].abnormal
    positive = abnormal_groups(found.truth, groups, found.classes, names)
    why = next((rule.withheld for rule in rules if rule.withheld), None)
    sensitivity = specificity = None
    if not why:
        scores = group_scores(abnormality(found.calibrated, found.classes, names), groups, how)
        threshold = group_scores(np.array([rule.score for rule in rules])[found.part], groups)
        called = scores >= threshold
        sensitivity, specificity = _share(called[positive]), _share(~called[~positive])
    return SensitivityDetails(
        wanted=rules[0].sensitivity,
        confidence=rules[0].confidence,
        calibration_positives=tuple(rule.positives for rule in rules),
        thresholds=tuple(rule.score for rule in rules),
        withheld=why,
        positives=int(positive.sum()),
        negatives=int((~positive).sum()),
        sensitivity=sensitivity,
        specificity=specificity,
    )


def _share(right: np.ndarray) -> Estimate:
    """A share of groups, each of which counts once."""
    return over_groups(right.astype(float), np.arange(len(right)).astype(str).tolist())
