"""What a classifier guarantees: the thresholds in model.json, and clinical/guarantees.json, their test."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cytopipe.results.contract import Contract, Record
from cytopipe.results.numbers import Estimate


class SetRule(Record):
    """How sets of classes are made; see `metrics.conformal`.

    Attributes:
        coverage: probability that the set of a random image of a new group contains its class.
        groups: number of groups that calibrated it.
        images: number of their images.
        least: calibrated probability from which a class is in the set.
        least_by_images: the same, had all images been exchangeable; only to show what that would promise.
        withheld: why there are no sets.
    """

    coverage: float
    groups: int
    images: int
    least: float | None = None
    least_by_images: float | None = None
    withheld: str | None = None


class SensitivityRule(Record):
    """A threshold of the score of a group (patient, slide); see `metrics.risk_control`.

    Attributes:
        sensitivity: share of the abnormal groups that reach the threshold.
        confidence: probability, over calibration cohorts, that this share is reached; None: it is reached on average.
        positives: number of abnormal groups that calibrated it.
        score: the threshold; a group that reaches it is called abnormal.
        withheld: why there is no threshold.
    """

    sensitivity: float
    confidence: float | None = None
    positives: int
    score: float | None = None
    withheld: str | None = None


class GuaranteeRule(Record):
    """What a classifier guarantees, in model.json.

    Attributes:
        calibrated_on: the validation groups; or all groups, each predicted by networks that did not train on it, which
            gives a weaker guarantee (cross-conformal; Vovk 2015, doi:10.1007/s10472-013-9368-4).
        sets: sets of classes.
        group_score: the score of a group from the abnormality of its images.
        patients: thresholds of that score; empty without abnormal classes.
    """

    calibrated_on: Literal["validation", "out-of-fold"] = "validation"
    sets: SetRule
    group_score: Literal["max", "mean"] = "max"
    patients: tuple[SensitivityRule, ...] = ()


class ClassCoverage(Record):
    """How often the sets of the test images of one class contain it; the mean over groups with such images."""

    images: int
    groups: int
    coverage: Estimate


class NaiveSets(Record):
    """The same test of the sets that would be made if all images were exchangeable."""

    coverage: Estimate
    size: Estimate


class SetScores(Record):
    """The test of sets of classes.

    Attributes:
        coverage: share of sets that contain the true class; the mean over test groups, which is what is guaranteed.
        coverage_of_images: the mean over test images.
        size: mean number of classes in a set; the mean over test groups, as for `singletons`.
        singletons: share of sets of one class.
        filled: share of the images for which no class reached the threshold, so that the most probable one is the set.
        per_class: coverage of each class, which is not guaranteed.
        by_images: what sets for exchangeable images would have reached.
    """

    coverage: Estimate
    coverage_of_images: Estimate
    size: Estimate
    singletons: Estimate
    filled: float
    per_class: dict[str, ClassCoverage]
    by_images: NaiveSets


class SetDetails(Record):
    """Sets of classes: what is promised, by which groups, and the test; `scores` are None where they are withheld.

    `groups`, `images` and `least` have one entry for each network (several in a cross-validation).
    """

    wanted: float
    groups: tuple[int, ...]
    images: tuple[int, ...]
    least: tuple[float | None, ...]
    withheld: str | None = Field(None, exclude_if=lambda value: value is None)
    scores: SetScores | None


class SensitivityDetails(Record):
    """A threshold of the score of groups: what is promised, by how many abnormal groups, and the test.

    `sensitivity` and `specificity` are over test groups; None where the threshold is withheld.
    """

    wanted: float
    confidence: float | None
    calibration_positives: tuple[int, ...]
    thresholds: tuple[float | None, ...]
    withheld: str | None = Field(None, exclude_if=lambda value: value is None)
    positives: int
    negatives: int
    sensitivity: Estimate | None
    specificity: Estimate | None


class GuaranteeDetails(Contract):
    """clinical/guarantees.json: what a classifier guarantees, and what its test images show of it.

    Attributes:
        calibrated_on: where the thresholds come from; never from test images.
        test_groups: number of test groups.
        sets: sets of classes.
        group_score: how the images of a group make its score.
        patients: thresholds for the sensitivity of groups; empty without abnormal classes.
    """

    calibrated_on: Literal["validation", "out-of-fold"]
    test_groups: int
    sets: SetDetails
    group_score: Literal["max", "mean"]
    patients: tuple[SensitivityDetails, ...]
