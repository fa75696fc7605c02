"""subgroups.json: the metrics of a classifier by the values of attributes such as site, scanner and age."""

from __future__ import annotations

from cytopipe.results.classifier import OperatingPoint
from cytopipe.results.contract import Contract, Record
from cytopipe.results.numbers import Estimates


class Difference(Record):
    """A metric of a subgroup minus that of the rest of the test images.

    Attributes:
        value: the difference; None if it is not defined for both.
        low, high: its 95 % limits, by themselves, not corrected for the number of tests; None where withheld.
        p: two-sided p-value of no difference; None where withheld.
        p_holm: corrected for all tests of the file (Holm 1979).
        withheld: the reason why there are no limits and no test; None where there are.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    withheld: str | None = None


class Subgroup(Record):
    """The test images with one value of an attribute.

    Attributes:
        classes: its images by class: where these differ, so may the metrics.
        metrics: by key of the registry, those of calibration after it, with intervals over the groups of the subgroup.
        operating_points: abnormal against normal, at the thresholds of the classifier.
        differences: by key of a metric with an interval.
    """

    attribute: str
    value: str
    images: int
    groups: int
    classes: dict[str, int]
    metrics: Estimates
    operating_points: tuple[OperatingPoint, ...]
    differences: dict[str, Difference]


class Finding(Record):
    """A subgroup, and the metric in which it differs, or is the lowest."""

    attribute: str
    value: str
    metric: str


class Subgroups(Contract):
    """All subgroups of a test.

    Attributes:
        images, groups: numbers of test images and groups.
        metrics: over all test images.
        tests: number of tests that the p-values are corrected for; the two sides of an attribute with two values are
            one test.
        level: of the corrected tests, the chance to call any subgroup different where none is.
        subgroups: by attribute in the order of the options, and by value.
        worst: the subgroup with the worst leading metric among those with an interval; None if none has one. The worst
            of several is low by chance too: `different` says what the tests resolve.
        different: the subgroups and metrics that differ after the correction, the surest first.
    """

    images: int
    groups: int
    metrics: Estimates
    tests: int
    level: float
    subgroups: tuple[Subgroup, ...]
    worst: Finding | None
    different: tuple[Finding, ...]

    def find(self, one: Finding) -> Subgroup:
        """The subgroup of a finding."""
        return next(part for part in self.subgroups if (part.attribute, part.value) == (one.attribute, one.value))
