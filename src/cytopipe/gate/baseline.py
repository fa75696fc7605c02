"""Baselines: the expected metrics of a run, read from a JSON file or made from results.

    {"results/classifiers/masks/details.json": {
      "test_set": "<sha256>",
      "metrics": {"auc": {"value": 0.9, "low": 0.85, "high": 0.94, "direction": "higher", "tolerance": 0.02}}}}

A metric is named by its key in the registry, or by its dotted path in details.json: `calibration.before.ece`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cytopipe.core.io.atomic import write_json
from cytopipe.errors import CytopipeError
from cytopipe.gate.identity import test_set
from cytopipe.gate.results import Files, Folder, Number, Results
from cytopipe.metrics.registry import find


class Expectation(BaseModel):
    """Expected value of a metric and its interval, which direction is better, and the accepted absolute loss."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    value: float
    low: float | None
    high: float | None
    direction: Literal["higher", "lower"]
    tolerance: float = Field(ge=0)


class Expected(BaseModel):
    """Expected metrics of one details.json, and the hash that identifies their test images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    test_set: str = Field(pattern="^[0-9a-f]{64}$")
    metrics: dict[str, Expectation] = Field(min_length=1)


Baseline = dict[str, Expected]
_BASELINE: TypeAdapter[Baseline] = TypeAdapter(Baseline)


def read_baseline(file: Path) -> Baseline:
    """Read a baseline.

    Raises:
        CytopipeError: if it is missing, invalid, or empty, as an empty baseline would let everything pass.
    """
    try:
        baseline = _BASELINE.validate_json(file.read_bytes())
    except FileNotFoundError:
        raise CytopipeError("no such baseline", where=file, hint="`cytopipe gate --update` writes one") from None
    except ValidationError as error:
        faults = "; ".join(f"{' '.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise CytopipeError(f"not a baseline: {faults.removeprefix(': ')}", where=file) from None
    if not baseline:
        raise CytopipeError("the baseline is empty", where=file, hint="`cytopipe gate --update` fills it")
    return baseline


def baseline_of(files: Files, tolerance: float | None = None, old: Baseline | None = None) -> Baseline:
    """Make a baseline from the results of a run: the gated metrics that are defined.

    Args:
        files: files of the run.
        tolerance: tolerance of metrics that `old` does not contain; by default that of the registry.
        old: a baseline whose choice of metrics, directions and tolerances is kept.

    Raises:
        CytopipeError: if a metric of `old` is not defined now, or the test images are unknown.
    """
    old = old or {}
    baseline = {}
    for path in sorted({*old, *files.details_files()}):
        results = Results(files, path)
        if path in old:
            metrics = {name: _moved(results, name, was) for name, was in old[path].metrics.items()}
        else:
            metrics = {name: _expected(name, now, tolerance) for name, now in results.headline().items()}
        if metrics:
            baseline[path] = Expected(test_set=test_set(results), metrics=metrics)
    return baseline


def _expected(key: str, now: Number, tolerance: float | None) -> Expectation:
    metric = find(key)
    assert metric, "headline() names metrics of the registry"
    return Expectation(
        value=now.value,
        low=now.low,
        high=now.high,
        direction=metric.direction,
        tolerance=metric.tolerance if tolerance is None else tolerance,
    )


def _moved(results: Results, metric: str, was: Expectation) -> Expectation:
    now = results.number(metric)
    if isinstance(now, str):
        raise CytopipeError(
            f"{metric}: {now}",
            where=results.path,
            hint="run the pipeline first; if the metric is gone for good, remove its entry from the baseline",
        )
    return was.model_copy(update={"value": now.value, "low": now.low, "high": now.high})


def update(root: Path, file: Path, tolerance: float | None = None) -> Baseline:
    """Write the present metrics and test images to the baseline; its metrics, directions and tolerances are kept.

    Args:
        root: root folder of the project.
        file: the baseline.
        tolerance: tolerance of metrics in files that the baseline did not cover; by default that of the registry.

    Raises:
        CytopipeError: as `baseline_of`, or if there are no results; the file is then unchanged.
    """
    baseline = baseline_of(Folder(root), tolerance, read_baseline(file) if file.exists() else None)
    if not baseline:
        raise CytopipeError("no results/**/details.json to take", where=root.absolute(), hint="run `dvc repro` first")
    write_json(file, {path: one.model_dump() for path, one in baseline.items()})
    return baseline
