"""Results of datasets, classifiers and segmenters made by hand, for tests of the code that reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cytopipe.metrics.registry import calibration_metrics, measured_metrics
from cytopipe.results.classifier import (
    Calibration,
    ClassifierDetails,
    ClassScores,
    IntervalMethod,
    OperatingPoint,
    Selective,
)
from cytopipe.results.dataset import DatasetSummary, Size, Sizes, Torn
from cytopipe.results.guarantees import (
    ClassCoverage,
    GuaranteeDetails,
    NaiveSets,
    SensitivityDetails,
    SetDetails,
    SetScores,
)
from cytopipe.results.numbers import Estimate, Spread, Spreads
from cytopipe.results.segmenter import SegmenterDetails

UNDEFINED = Estimate(value=None)


def classifier_details(
    accuracy: float = 0.75, classes: Sequence[str] = ("a", "b"), defined: bool = True, **changes: Any
) -> ClassifierDetails:
    """The test of a classifier whose metrics are all alike; where not `defined`, of folds, and much is not defined."""
    alike = Estimate(value=accuracy, low=max(0.0, accuracy - 0.1), high=min(1.0, accuracy + 0.1))
    errors = {metric.key: Estimate(value=0.4, low=0.05, high=0.8) for metric in calibration_metrics()}
    half, spread = Estimate(value=0.5), Spread(mean=0.5, sd=0.1, values=(0.4, 0.6))
    point = OperatingPoint(
        wanted_specificity=0.9, sensitivity=Estimate(value=0.7, low=0.6, high=0.8), specificity=Estimate(value=0.9)
    )
    details = ClassifierDetails(
        dataset="d",
        model="ab" * 6 if defined else None,
        architecture="timm/test_resnet",
        channels="rgb",
        parameters=12345,
        test_sha256="cd" * 32,
        images=8,
        groups=3,
        intervals=IntervalMethod(level=0.95, unit="group", least_groups=5, methods={}),
        metrics={one.key: UNDEFINED if one.key == "auc" and not defined else alike for one in measured_metrics()},
        per_class={
            label: ClassScores(precision=UNDEFINED if label == "never" else half, recall=half, f1=half, images=3)
            for label in classes
        },
        calibration=Calibration(temperature=(1.5,) if defined else (1.5, 0.9), before=errors, after=errors),
        selective=Selective(
            wanted_error=0.05,
            coverage=Estimate(value=0.6),
            error=Estimate(value=0.04) if defined else UNDEFINED,
            aurc=Estimate(value=0.1),
        ),
        operating_points=(point,) if defined else (),
        seeds=None,
        folds=None if defined else Spreads(count=2, metrics={one.key: spread for one in measured_metrics()}),
        undefined={} if defined else {"auc": "no test image of never"},
    )
    return details.model_copy(update=changes)


def segmenter_details(
    metrics: Mapping[str, Estimate], images: int = 8, groups: int = 2, dataset: str = "d"
) -> SegmenterDetails:
    """The test of a segmenter with these means."""
    return SegmenterDetails(
        dataset=dataset, images=images, groups=groups, metrics=dict(metrics), distribution={}, undefined={}
    )


def dataset_summary(name: str, classes: Sequence[str], counts: Mapping[str, int], side: int) -> DatasetSummary:
    """A dataset of square images without masks; `counts` are the images of each class by split."""
    size = Size(min=side, median=side, max=side)
    return DatasetSummary(
        dataset=name,
        adapter="folder",
        classes=tuple(classes),
        normal=(),
        excluded_classes=(),
        images=len(classes) * sum(counts.values()),
        masks=0,
        split="grouped",
        counts={split: dict.fromkeys(classes, count) for split, count in counts.items()},
        groups={split: len(classes) * count for split, count in counts.items()},
        torn=Torn(groups=0, copies=0),
        size_px=Sizes(width=size, height=size),
        converted={},
        copies=(),
        refused=(),
    )


def guarantee_details(classes: Sequence[str], withheld: str = "") -> GuaranteeDetails:
    """Guarantees of a classifier: sets that keep their promise and one threshold of two, or nothing and why."""
    reached = Estimate(value=0.91, low=0.85, high=0.95)
    scores = SetScores(
        coverage=reached,
        coverage_of_images=reached,
        size=Estimate(value=1.4, low=1.2, high=1.7),
        singletons=Estimate(value=0.6, low=0.5, high=0.7),
        filled=0.01,
        per_class={label: ClassCoverage(images=3, groups=1, coverage=UNDEFINED) for label in classes},
        by_images=NaiveSets(coverage=Estimate(value=0.84, low=0.8, high=0.88), size=Estimate(value=1.2)),
    )
    average = SensitivityDetails(
        wanted=0.95,
        confidence=None,
        calibration_positives=(20,),
        thresholds=(0.3,),
        positives=10,
        negatives=8,
        sensitivity=Estimate(value=0.9, low=0.6, high=0.98),
        specificity=Estimate(value=None),
    )
    why = "a sensitivity of 95 % with 95 % confidence needs 59 abnormal groups to calibrate with, and there are 20"
    changes = {"confidence": 0.95, "thresholds": (None,), "withheld": why, "sensitivity": None, "specificity": None}
    return GuaranteeDetails(
        calibrated_on="validation",
        test_groups=18,
        sets=SetDetails(
            wanted=0.9,
            groups=(20,),
            images=(60,),
            least=(None if withheld else 0.2,),
            withheld=withheld or None,
            scores=None if withheld else scores,
        ),
        group_score="max",
        patients=() if withheld else (average.model_copy(update=changes), average),
    )
