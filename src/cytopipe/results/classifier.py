"""details.json of a classifier: what was tested, how, and every number that came out."""

from __future__ import annotations

from cytopipe.results.contract import Contract, Record
from cytopipe.results.numbers import Estimate, Estimates, Spreads


class IntervalMethod(Record):
    """How the intervals were made: a bootstrap over `unit`, but for proportions."""

    level: float
    unit: str
    replicates: int
    proportions: str


class ClassScores(Record):
    """One class; a precision of what was never predicted, and a recall of what has no image, are not defined."""

    precision: Estimate
    recall: Estimate
    f1: Estimate
    images: int


class Calibration(Record):
    """Errors of the probabilities before and after they were calibrated; one temperature per network."""

    temperature: tuple[float, ...]
    before: Estimates
    after: Estimates


class Selective(Record):
    """What is left to the classifier alone at its confidence threshold, and how much of that is wrong."""

    wanted_error: float
    coverage: Estimate
    error: Estimate
    aurc: Estimate


class OperatingPoint(Record):
    """Abnormal or normal, at a threshold that was chosen on validation images for a specificity."""

    wanted_specificity: float
    sensitivity: Estimate
    specificity: Estimate


class ClassifierDetails(Contract):
    """The test of a classifier.

    Attributes:
        dataset: whose test images these are.
        model: identity of the model folder; None where one network per fold was tested.
        test_sha256: of the test array, or of every split where all images were tested.
        images, groups: numbers of those tested.
        intervals: how they were made.
        metrics: by key of the registry.
        operating_points: empty without a question of abnormality.
        seeds, folds: spread over networks; None where there is one network.
        undefined: the reason of each number that is not defined.
    """

    dataset: str
    model: str | None
    architecture: str
    channels: str
    parameters: int
    test_sha256: str | dict[str, str]
    images: int
    groups: int
    intervals: IntervalMethod
    metrics: Estimates
    per_class: dict[str, ClassScores]
    calibration: Calibration
    selective: Selective
    operating_points: tuple[OperatingPoint, ...]
    seeds: Spreads | None
    folds: Spreads | None
    undefined: dict[str, str]
