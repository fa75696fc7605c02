"""Numbers of a model on the internal test and elsewhere, and the drop between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cytopipe.metrics.calibration import calibration
from cytopipe.metrics.classification import headline, with_interval
from cytopipe.metrics.clusters import LeftOut, each_left_out, ratio
from cytopipe.metrics.independent import independent_difference
from cytopipe.metrics.metric import Metric
from cytopipe.metrics.registry import of_task
from cytopipe.metrics.scores import macro_auc
from cytopipe.models.decision_rule import abnormality
from cytopipe.results.external import Drop, ExternalPoint
from cytopipe.results.model_spec import DecisionRule
from cytopipe.results.numbers import Estimate

HOME, THERE = "at home", "there"


@dataclass(frozen=True)
class Scored:
    """The predictions of one side.

    Attributes:
        truth: N indices of the model's classes.
        probabilities: N x classes, uncalibrated.
        calibrated: N x classes, by the rule of the network that predicted each image.
        groups: N groups.
        thresholds: K x N thresholds of the abnormality score, by wanted specificity; K is 0 if the model has none.
    """

    truth: np.ndarray
    probabilities: np.ndarray
    calibrated: np.ndarray
    groups: Sequence[str]
    thresholds: np.ndarray

    def only(self, classes: Iterable[int]) -> Scored:
        """The images of these true classes."""
        kept = np.flatnonzero(np.isin(self.truth, list(classes)))
        return replace(
            self,
            truth=self.truth[kept],
            probabilities=self.probabilities[kept],
            calibrated=self.calibrated[kept],
            groups=[self.groups[place] for place in kept.tolist()],
            thresholds=self.thresholds[:, kept],
        )


def thresholds_of(rules: Sequence[DecisionRule], part: np.ndarray) -> np.ndarray:
    """K x N thresholds of the abnormality score, each image by the rule of its network."""
    if not all(rule.thresholds for rule in rules):
        return np.zeros((0, len(part)))
    return np.array([[one.score for one in same] for same in zip(*(r.thresholds for r in rules), strict=True)])[:, part]


def drop_of(home: LeftOut, there: LeftOut, metric: Metric) -> Drop:
    """A metric on both sides, each with its interval, and by how much it is worse there."""
    sides = ((HOME, home), (THERE, there)) if metric.direction == "higher" else ((THERE, there), (HOME, home))
    (one, first), (other, second) = sides
    return Drop(
        home=Estimate.of(with_interval(home, metric.scale)),
        there=Estimate.of(with_interval(there, metric.scale)),
        drop=Estimate.of(independent_difference(first, second, metric.scale, (one, other))),
    )


def drops(home: Scored, there: Scored, classes: Sequence[int]) -> dict[str, Drop]:
    """Every metric of the registry on the images of some classes.

    Args:
        home, there: predictions of both sides, all of these true classes.
        classes: indices of the classes that are compared, sorted. AUC is the mean over them.
    """
    one, other = (_left_out(side, np.asarray(classes)) for side in (home, there))
    return {metric.key: drop_of(one[metric.key], other[metric.key], metric) for metric in of_task("classification")}


def _left_out(side: Scored, classes: np.ndarray) -> dict[str, LeftOut]:
    def measure(rows: np.ndarray) -> dict[str, float | None]:
        truth, probabilities = side.truth[rows], side.probabilities[rows]
        area = macro_auc(np.searchsorted(classes, truth), probabilities[:, classes])
        return {**headline(truth, probabilities), "auc": area, **calibration(truth, side.calibrated[rows])}

    return each_left_out(measure, side.groups)


def point_drops(
    home: Scored, there: Scored, names: Sequence[str], abnormal: Sequence[str], specificities: Sequence[float]
) -> tuple[ExternalPoint, ...]:
    """Sensitivity and specificity at each of the model's own thresholds; none if one of its networks has none.

    Args:
        home, there: predictions of both sides.
        names: class names.
        abnormal: names of the abnormal classes.
        specificities: wanted on validation images, by threshold.
    """
    metric = Metric("", "", "classification", "")  # a share, of which more is better
    points = []
    for place, wanted in enumerate(specificities[: min(len(home.thresholds), len(there.thresholds))]):
        one, other = (_point(side, place, names, abnormal) for side in (home, there))
        pairs = {key: drop_of(one[key], other[key], metric) for key in ("sensitivity", "specificity")}
        points.append(ExternalPoint(wanted_specificity=wanted, **pairs))
    return tuple(points)


def _point(side: Scored, place: int, names: Sequence[str], abnormal: Sequence[str]) -> dict[str, LeftOut]:
    called = abnormality(side.calibrated, names, abnormal) >= side.thresholds[place]
    ill = np.isin(np.asarray(names)[side.truth], abnormal)
    counted = {"sensitivity": (called & ill, ill), "specificity": (~called & ~ill, ~ill)}
    return {key: ratio(hits.astype(float), whole.astype(float), side.groups) for key, (hits, whole) in counted.items()}
