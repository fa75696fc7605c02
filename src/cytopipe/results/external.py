"""Results of an evaluation elsewhere: details.json of a classifier or a segmenter, and the list of all evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from cytopipe.core.params import ExternalEvaluation
from cytopipe.metrics.registry import of_task
from cytopipe.results.audit import Finding
from cytopipe.results.classifier import Calibration, ClassScores, IntervalMethod, Selective
from cytopipe.results.contract import Collection, Contract, Record
from cytopipe.results.headline import DECIMALS, Headline
from cytopipe.results.numbers import Estimate


class Drop(Record):
    """A number on the internal test and there, and by how much it is worse there (below 0: better there)."""

    home: Estimate
    there: Estimate
    drop: Estimate


class ExternalPoint(Record):
    """Abnormal against normal at the model's own threshold, which reached this specificity on its validation images."""

    wanted_specificity: float
    sensitivity: Drop
    specificity: Drop


class Recalibrated(Record):
    """A metric before and after recalibration on the groups that were not drawn; 95 % of changes are low to high."""

    before: float
    after: float
    low: float
    high: float


class Recalibration(Record):
    """What one kind of recalibration on so many groups would give.

    Attributes:
        method: temperature, or slope_and_shifts: of the logits of every class.
        groups, images: numbers of drawn groups and, on average, of their images.
        draws: number of draws, each tested on all other groups.
        metrics: by name; empty where it is withheld.
        withheld: the reason why there are no numbers.
    """

    method: Literal["temperature", "slope_and_shifts"]
    groups: int
    images: float
    draws: int
    metrics: dict[str, Recalibrated]
    withheld: str | None


class Tested(Contract):
    """What both kinds of model have in common.

    Attributes:
        model: name of the model in params.yaml.
        identity: of the model folder; None for one with a network per fold.
        trained_on: the datasets that it, its segmenter and what they start from have learnt from; the first is its own.
        dataset: name of the dataset there.
        images, groups: numbers of tested images and groups there.
        home_images, home_groups: those of the internal test that it is compared with.
        copies: number of images there that were left out, as they are byte-identical to images of `trained_on`.
        reading: a warning if images there were read otherwise than those of the training; empty if not.
        leaks: the search for copies and common groups across both.
        metrics: by key of the registry.
        undefined: the reason why each undefined number is not defined.
    """

    model: str
    identity: str | None
    trained_on: tuple[str, ...]
    dataset: str
    images: int
    groups: int
    home_images: int
    home_groups: int
    copies: int
    reading: str
    leaks: tuple[Finding, ...]
    metrics: dict[str, Drop]
    undefined: dict[str, str]

    @property
    def leading(self) -> Drop:
        """The leading metric of the task."""
        return self.metrics[of_task("classification" if "accuracy" in self.metrics else "segmentation")[0].key]


class ExternalClassifier(Tested):
    """A classifier on the images of another laboratory.

    Attributes:
        classes: the class of the model for each class there that is tested.
        left_out: number of images by class there that the model has no class for.
        absent: classes of the model without images there; images of these are left out of the internal test too.
        intervals: how intervals of `home` and `there` were made.
        per_class: by the model's class, there.
        calibration: there, before and after the model's own temperature.
        selective: there, at the model's own confidence threshold.
        operating_points: at the model's own thresholds.
        recalibration: what a few groups of there would give.
    """

    task: Literal["classification"] = "classification"
    classes: dict[str, str]
    left_out: dict[str, int]
    absent: tuple[str, ...]
    intervals: IntervalMethod
    per_class: dict[str, ClassScores]
    calibration: Calibration
    selective: Selective
    operating_points: tuple[ExternalPoint, ...]
    recalibration: tuple[Recalibration, ...]

    @property
    def headline(self) -> Headline:
        """The numbers of metrics.json."""
        more: dict[str, Estimate] = {}
        for point in self.operating_points[:1]:
            more = {"sensitivity": point.sensitivity.there, "specificity": point.specificity.there}
        return _headline(
            self,
            {"accuracy": "accuracy", "f1": "macro_f1", "auc": "auc", "ece": "ece"},
            more,
        )


class ExternalSegmenter(Tested):
    """A segmenter on the images with true masks of another laboratory.

    Attributes:
        distribution: quantiles of each metric there by share of images; None if it is defined for no image.
    """

    task: Literal["segmentation"] = "segmentation"
    distribution: dict[str, dict[str, float] | None]

    @property
    def headline(self) -> Headline:
        """The numbers of metrics.json."""
        more = self.metrics["dice_nucleus"].drop
        return _headline(self, {"dice": "dice_cell", "dice_nucleus": "dice_nucleus"}, {"drop_nucleus": more})


def _headline(one: Tested, columns: Mapping[str, str], more: Mapping[str, Estimate]) -> Headline:
    """Metrics there by column, the interval of the leading one, and its drop with the interval; none is null."""
    leading = one.leading
    numbers = {column: one.metrics[key].there.value for column, key in columns.items()}
    numbers |= {"low": leading.there.low, "high": leading.there.high}
    numbers |= {"drop": leading.drop.value, "drop_low": leading.drop.low, "drop_high": leading.drop.high}
    numbers |= {name: estimate.value for name, estimate in more.items()}
    return Headline({name: round(value, DECIMALS) for name, value in numbers.items() if value is not None})


External = ExternalClassifier | ExternalSegmenter


class Evaluations(Collection[dict[str, ExternalEvaluation]]):
    """evaluations.json: the parameters of every evaluation elsewhere."""

    @classmethod
    def names(cls, path: Path) -> Sequence[str]:
        """Read the names of the evaluations."""
        return list(cls.read(path).root)
