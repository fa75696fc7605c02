"""Stored results of real runs, docs/results/<preset>.json: their format, and collecting them from a finished run."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cytopipe import paths
from cytopipe.core.params import RANDOM_WEIGHTS, Params
from cytopipe.errors import CytopipeError
from cytopipe.metrics.clusters import ratio
from cytopipe.metrics.intervals import Measured, measured
from cytopipe.metrics.registry import gated, measured_metrics
from cytopipe.results.classifier import ClassifierDetails
from cytopipe.results.dataset import DatasetSummary
from cytopipe.results.numbers import Estimate
from cytopipe.results.patients import PatientEvaluation
from cytopipe.results.predictions import Predictions
from cytopipe.results.segmenter import SegmenterDetails

FOLDER = Path("docs/results")
BOOTSTRAP = "percentile bootstrap over groups"  # of what was stored before intervals were by the jackknife
JACKKNIFE = "group jackknife"
ABNORMAL = "normal or abnormal"  # the share of images of which several classes together say rightly whether they are
OF_PATIENTS = ("auc", "sensitivity", "specificity", "accuracy")  # numbers of answers for groups that are stored


def start_of(pretrained: Path) -> str | None:
    """The note of a network that starts from other than random weights, which `pretrained` of params.yaml names."""
    if pretrained == RANDOM_WEIGHTS:
        return None
    return f"starts from `{pretrained.name}`" if pretrained.parts[0] == "models" else "starts from ImageNet weights"


class Result(BaseModel):
    """One metric of one system with its 95 % interval, measured on `n` test images, or on `n` test groups.

    `split` is the kind of split: `datasets.<name>.split.kind`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    dataset: str
    system: str
    split: str
    metric: str
    value: float
    low: float | None
    high: float | None
    n: int = Field(ge=1)
    folds: int | None = Field(
        None, ge=2, description="number of folds of a cross-validation; the value is over all its images"
    )
    fold_mean: float | None = None
    fold_sd: float | None = None
    note: str | None = None
    unit: Literal["images", "patients"] = Field(
        "images", description="patients: the answer for each group counts", exclude_if=lambda value: value == "images"
    )

    @property
    def shown(self) -> str:
        """Value and interval as text, with mean and standard deviation over the folds of a cross-validation."""
        limits = "" if self.low is None or self.high is None else f" ({self.low:.3f} to {self.high:.3f})"
        spread = "" if self.fold_sd is None else f"; folds {self.fold_mean:.3f} ± {self.fold_sd:.3f}"
        return f"{self.value:.3f}{limits}{spread}"

    @property
    def split_shown(self) -> str:
        """The split as text."""
        return f"{self.split}, {self.folds} folds" if self.folds else self.split


class Stored(BaseModel):
    """The results of one run of a preset, with its command, commit and machine.

    `intervals` is how the intervals were made. Only numbers are stored, no predictions, so that those of earlier runs
    cannot be computed anew from their files: they keep the method of their time until the run is stored again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    preset: str
    command: str
    commit: str
    machine: str
    minutes: float = Field(gt=0)
    intervals: str = BOOTSTRAP
    results: tuple[Result, ...] = Field(min_length=1)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One flat record for each result."""
        run = {name: getattr(self, name) for name in ("minutes", "machine", "commit", "command", "intervals")}
        spread = {"folds", "fold_mean", "fold_sd"}
        return [
            {**one.model_dump(exclude={"note", *spread}), **run, **one.model_dump(include=spread)}
            for one in self.results
        ]

    @property
    def made(self) -> str:
        """Command, duration, machine and commit of the run as text."""
        dirty = "-dirty" if self.commit.endswith("-dirty") else ""
        how = f"`{self.command}`, {self.minutes:g} min on {self.machine}, commit {self.commit[:12]}{dirty}"
        return f"{how}; intervals by the {self.intervals}"


def read_results(folder: Path) -> list[Stored]:
    """Read all stored results, sorted by file name; none if the folder does not exist.

    Raises:
        CytopipeError: if a file does not have the format.
    """
    stored = []
    for file in sorted(folder.glob("*.json")):
        try:
            stored.append(Stored.model_validate_json(file.read_bytes()))
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise CytopipeError(f"not stored results: {faults.removeprefix(': ')}", where=file) from None
    return stored


def collect(root: Path, params: Params, partial: bool = False) -> list[Result]:
    """Collect the results of a finished run: every segmenter with true masks to test on, then every classifier.

    Args:
        root: root folder of the project.
        params: parameters of the run.
        partial: whether to leave out models without results.

    Raises:
        CytopipeError: if a result is missing, or was made with other parameters.
    """
    if partial:
        params = params.model_copy(
            update={
                "segmenters": {
                    name: one for name, one in params.segmenters.items() if _has_run(root, paths.segmenter(name))
                },
                "classifiers": {
                    name: one for name, one in params.classifiers.items() if _has_run(root, paths.classifier(name))
                },
            }
        )
    found = [*_of_segmenters(root, params), *_of_classifiers(root, params)]
    if not found:
        raise CytopipeError("the run has no metric to store", where=root / "results")
    return found


def _has_run(root: Path, trained: paths.Trained) -> bool:
    return (root / trained.details).is_file()


def _of_segmenters(root: Path, params: Params) -> Iterator[Result]:
    for name, segmenter in params.segmenters.items():
        details = SegmenterDetails.read(root / paths.segmenter(name).details)
        if details.images:
            split = params.datasets[segmenter.dataset].split.kind
            note = start_of(segmenter.pretrained)
            for metric in [one for one in gated("segmentation") if one.is_share and not one.hidden]:
                found = details.metrics[metric.key]
                if found.value is not None:
                    yield Result(
                        dataset=segmenter.dataset,
                        system=name,
                        split=split,
                        metric=metric.key,
                        value=found.value,
                        low=found.low,
                        high=found.high,
                        n=details.images,
                        note=note,
                    )


def _of_classifiers(root: Path, params: Params) -> Iterator[Result]:
    for name, classifier in params.classifiers.items():
        trained = paths.classifier(name)
        details = ClassifierDetails.read(root / trained.details)
        kind = params.datasets[classifier.dataset].split.kind
        made_of = (details.dataset, details.architecture, details.channels)
        if made_of != (classifier.dataset, classifier.architecture, classifier.channels):
            raise CytopipeError(
                f"was made with other parameters ({', '.join(made_of)})", where=trained.results, hint="run `dvc repro`"
            )
        common = {
            "dataset": classifier.dataset,
            "system": name,
            "split": "grouped" if classifier.folds and kind != "leave_out" else kind,
            "folds": details.folds.count if details.folds else None,
            "note": start_of(classifier.pretrained),
        }
        for metric in measured_metrics():
            found = details.metrics[metric.key]
            spread = details.folds.metrics[metric.key] if details.folds else None
            if found.value is not None:
                yield _result(
                    metric.key,
                    found,
                    details.images,
                    **common,
                    fold_mean=spread.mean if spread else None,
                    fold_sd=spread.sd if spread else None,
                )
        if details.operating_points and (called := _normal_or_abnormal(root, name, classifier.dataset)):
            yield _result(ABNORMAL, called, details.images, **common)
        if (of_groups := PatientEvaluation.of(root / trained.clinical)) is None:
            continue
        for key, number in (of_groups.numbers or {}).items():
            if key in OF_PATIENTS and number.value is not None:
                yield _result(key, number, of_groups.groups, **common, unit="patients")


def _result(metric: str, found: Estimate | Measured, n: int, **others: Any) -> Result:
    return Result(metric=metric, value=found.value, low=found.low, high=found.high, n=n, **others)


def _normal_or_abnormal(root: Path, name: str, dataset: str) -> Measured | None:
    predictions = Predictions.read(root / paths.classifier(name).predictions)
    normal = DatasetSummary.read(root / paths.Organized(dataset).summary).normal
    return normal_or_abnormal(predictions, normal) if len(predictions.classes) > 2 else None


def normal_or_abnormal(predictions: Predictions, normal: Collection[str]) -> Measured:
    """The share of images rightly called abnormal or normal: abnormal if those classes together have more than a half.

    Args:
        predictions: of a network of several classes, which was trained on no such question.
        normal: the classes without disease.
    """
    abnormal = np.array([name not in normal for name in predictions.classes])
    called = predictions.probabilities[:, abnormal].sum(axis=1) > 0.5
    right = called == ~np.isin([row.label for row in predictions.rows], list(normal))
    return measured(ratio(right.astype(float), np.ones(len(right)), predictions.groups))
