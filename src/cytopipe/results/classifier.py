"""details.json of a classifier: every number of its evaluation."""

from __future__ import annotations

from typing import Any

from cytopipe.results.contract import Contract, Record
from cytopipe.results.numbers import Estimate, Estimates, Spreads


class IntervalMethod(Record):
    """How intervals were made: over which `unit`, from how many of it on, and the method of each metric by key."""

    level: float
    unit: str
    least_groups: int
    methods: dict[str, str]


class ClassScores(Record):
    """Metrics of one class; precision is not defined without predictions, recall not without images."""

    precision: Estimate
    recall: Estimate
    f1: Estimate
    images: int


class Calibration(Record):
    """Errors of the probabilities before and after calibration; one temperature per network."""

    temperature: tuple[float, ...]
    before: Estimates
    after: Estimates


class Selective(Record):
    """Selective prediction at the confidence threshold: coverage, error of the kept images, and AURC."""

    wanted_error: float
    coverage: Estimate
    error: Estimate
    aurc: Estimate


class OperatingPoint(Record):
    """Abnormal against normal, at the threshold that reached the wanted specificity on validation images."""

    wanted_specificity: float
    sensitivity: Estimate
    specificity: Estimate


class ClassifierDetails(Contract):
    """The evaluation of a classifier on test images.

    Attributes:
        dataset: name of the dataset of the test images.
        model: identity of the model folder, of all its networks together; None for folds that are no model together.
        test_sha256: of the test array; for a cross-validation, of the array of every split.
        images, groups: numbers of tested images and groups.
        intervals: how intervals were computed.
        metrics: by key of the registry.
        operating_points: empty if the dataset has no normal classes, or validation has no normal images.
        seeds: spread over networks that differ in their seed, whose mean the other numbers are of; None without.
        folds: spread over the networks of a cross-validation. Where it is there, every number is cross-validated: each
            image was tested by the network of its fold. The mean of these networks, which the model folder predicts
            with, was not tested itself.
        undefined: the reason why each undefined number is not defined.
        performance: of several networks, what the numbers are an estimate of, in words; absent for a single one.
        patients: of the answers for groups, by name; absent without such answers. clinical/patients.json says more.
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
    performance: str | None = None
    patients: Estimates | None = None

    @property
    def plain(self) -> Any:
        """As of every contract, without `performance` and `patients` where they are absent."""
        return {key: value for key, value in super().plain.items() if value or key not in {"performance", "patients"}}
