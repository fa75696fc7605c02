"""Evaluations elsewhere made of drawn predictions, for tests of the code that reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from cytopipe import paths
from cytopipe.audit.findings import conclude
from cytopipe.external.drops import Scored, drop_of, drops
from cytopipe.metrics.clusters import ratio
from cytopipe.metrics.registry import of_task
from cytopipe.results.classifier import ClassifierDetails
from cytopipe.results.external import ExternalClassifier, ExternalSegmenter, Recalibrated, Recalibration
from made_results import classifier_details

ABOUT = {"identity": None, "images": 120, "groups": 12, "home_images": 120, "home_groups": 12, "copies": 1}
LEAK = conclude("byte_duplicates", "fail", "1 images there are images of the training", "Pixels were compared.")


def drawn(share: float, classes: int, seed: int) -> Scored:
    """Predictions of 120 images of 12 groups, of which about this share is right."""
    rng = np.random.default_rng(seed)
    truth = np.arange(120) % classes
    named = np.where(rng.random(120) < share, truth, (truth + 1) % classes)
    likely = np.full((120, classes), 0.2 / classes) + 0.8 * np.eye(classes)[named]
    return Scored(truth, likely, likely, [str(number // 10) for number in range(120)], np.zeros((0, 120)))


def external_classifier(name: str, dataset: str, classes: Sequence[str]) -> ExternalClassifier:
    """A classifier that is right in nine of ten images at home, and in half of them there."""
    numbers = range(len(classes))
    home: ClassifierDetails = classifier_details(classes=classes)
    gain = Recalibrated(before=1.0, after=0.8, low=-0.3, high=-0.1)
    trials = (
        Recalibration(
            method="temperature",
            groups=5,
            images=50.0,
            draws=40,
            metrics=dict.fromkeys(("accuracy", "brier", "log_loss"), gain),
            withheld=None,
        ),
        Recalibration(
            method="slope_and_shifts", groups=10, images=0.0, draws=0, metrics={}, withheld="too few groups are left"
        ),
    )
    return ExternalClassifier(
        **ABOUT,
        model=name,
        trained_on=("smear",),
        dataset=dataset,
        reading="read as 16-bit images",
        leaks=(LEAK,),
        metrics=drops(drawn(0.9, len(classes), 0), drawn(0.5, len(classes), 1), list(numbers)),
        undefined={},
        classes={"theirs": classes[0]},
        left_out={"stranger": 7},
        absent=(classes[-1],),
        intervals=home.intervals,
        per_class=home.per_class,
        calibration=home.calibration,
        selective=home.selective,
        operating_points=(),
        recalibration=trials,
    )


def external_segmenter(name: str, dataset: str) -> ExternalSegmenter:
    """A segmenter with a Dice of about .9 at home and .6 there."""
    groups = [str(number // 10) for number in range(120)]
    sides = [
        ratio(np.random.default_rng(0).uniform(mean - 0.1, mean + 0.1, 120), np.ones(120), groups)
        for mean in (0.9, 0.6)
    ]
    return ExternalSegmenter(
        **ABOUT,
        model=name,
        trained_on=("smear",),
        dataset=dataset,
        reading="",
        leaks=(),
        metrics={metric.key: drop_of(sides[0], sides[1], metric) for metric in of_task("segmentation")},
        undefined={},
        distribution={},
    )


def add_evaluations(folder: Path, classes: Sequence[str]) -> None:
    """Add one evaluation of each kind to the finished project in a folder, on its dataset `blood`."""
    values = yaml.safe_load((folder / paths.PARAMS).read_text())
    values["evaluations"] = {
        "first-on-blood": {"classifier": "first", "dataset": "blood"},
        "unet-on-blood": {"segmenter": "unet", "dataset": "blood"},
    }
    (folder / paths.PARAMS).write_text(yaml.safe_dump(values, sort_keys=False))
    for name, details in (
        ("first-on-blood", external_classifier("first", "blood", classes)),
        ("unet-on-blood", external_segmenter("unet", "blood")),
    ):
        target = folder / paths.External(name).details
        target.parent.mkdir(parents=True)
        details.write(target)
