"""Stored results of real runs, docs/results/<preset>.json: their format, and how a finished run becomes one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cytopipe import paths
from cytopipe.errors import CytopipeError
from cytopipe.params import Params

FOLDER = Path("docs/results")
METRICS = {
    "dice_nucleus": "Dice of nucleus",
    "dice_cell": "Dice of whole cell",
    "dice_cytoplasm": "Dice of cytoplasm",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "auc": "AUC",
}
PRETRAINED = "starts from ImageNet weights"


class Result(BaseModel):
    """One metric of one system with its 95 % interval, measured on `n` images of the test split.

    `split` says how the test images were set apart: `datasets.<name>.split.kind`.
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
    folds: int | None = Field(None, ge=2, description="of a cross-validation; the value is over all its images")
    fold_mean: float | None = None
    fold_sd: float | None = None
    note: str | None = None

    @property
    def shown(self) -> str:
        """Value and interval for people; of a cross-validation also the mean and the spread of its folds."""
        limits = "" if self.low is None or self.high is None else f" ({self.low:.3f} to {self.high:.3f})"
        spread = "" if self.fold_sd is None else f"; folds {self.fold_mean:.3f} ± {self.fold_sd:.3f}"
        return f"{self.value:.3f}{limits}{spread}"

    @property
    def split_shown(self) -> str:
        """The split for people."""
        return f"{self.split}, {self.folds} folds" if self.folds else self.split


class Stored(BaseModel):
    """The results of one run of a preset, and how they came about."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    preset: str
    command: str
    commit: str
    machine: str
    minutes: float = Field(gt=0)
    results: tuple[Result, ...] = Field(min_length=1)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One flat record for each result."""
        run = {"minutes": self.minutes, "machine": self.machine, "commit": self.commit, "command": self.command}
        spread = {"folds", "fold_mean", "fold_sd"}
        return [
            {**one.model_dump(exclude={"note", *spread}), **run, **one.model_dump(include=spread)}
            for one in self.results
        ]

    @property
    def made(self) -> str:
        """How the results came about, for people."""
        dirty = "-dirty" if self.commit.endswith("-dirty") else ""
        return f"`{self.command}`, {self.minutes:g} min on {self.machine}, commit {self.commit[:12]}{dirty}"


def read_results(folder: Path) -> list[Stored]:
    """All stored results, sorted by the name of their file; none where there is no folder.

    Raises:
        CytopipeError: for a file that is not of the format.
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
    """The results of a finished run: every segmenter with true masks to test on, then every classifier.

    Args:
        root: of the project.
        params: what was run.
        partial: leave out what has not been run.

    Raises:
        CytopipeError: when a result is missing, or was not made with these parameters.
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
    return (root / trained.metrics).is_file()


def _of_segmenters(root: Path, params: Params) -> Iterator[Result]:
    for name, segmenter in params.segmenters.items():
        trained = paths.segmenter(name)
        metrics = _read_json(root / trained.metrics)
        split = params.datasets[segmenter.dataset].split.kind
        if "interval" not in metrics:
            raise CytopipeError("its metrics have no intervals", where=trained.metrics, hint="run `dvc repro`")
        for metric in (name for name in METRICS if name in metrics and metrics["images"]):
            limits = metrics["interval"][metric]
            yield Result(
                dataset=segmenter.dataset,
                system=name,
                split=split,
                metric=metric,
                value=metrics[metric],
                low=limits and limits["low"],
                high=limits and limits["high"],
                n=metrics["images"],
                note=PRETRAINED if segmenter.pretrained else None,
            )


def _of_classifiers(root: Path, params: Params) -> Iterator[Result]:
    for name, classifier in params.classifiers.items():
        trained = paths.classifier(name)
        metrics, summary = _read_json(root / trained.metrics), _read_json(root / trained.summary)
        made_of = (summary["dataset"], summary["architecture"], summary["channels"])
        if made_of != (classifier.dataset, classifier.architecture, classifier.channels):
            raise CytopipeError(
                f"was made with other parameters ({', '.join(made_of)})", where=trained.results, hint="run `dvc repro`"
            )
        folds = metrics.get("folds", {})
        for metric, limits in metrics["interval"].items():
            if metrics[metric] is not None:
                spread = folds.get(metric, {})
                yield Result(
                    dataset=classifier.dataset,
                    system=name,
                    split="grouped" if classifier.folds else params.datasets[classifier.dataset].split.kind,
                    metric=metric,
                    value=metrics[metric],
                    low=limits and limits["low"],
                    high=limits and limits["high"],
                    n=metrics["images"],
                    folds=folds.get("count"),
                    fold_mean=spread.get("mean"),
                    fold_sd=spread.get("sd"),
                    note=PRETRAINED if classifier.pretrained else None,
                )


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CytopipeError("no such result", where=path, hint="run the pipeline first: dvc repro") from None
