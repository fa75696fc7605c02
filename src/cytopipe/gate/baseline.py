"""A baseline: what the metrics of a run were, in a JSON file or made from results.

    {"results/classifiers/masks/details.json": {
      "test_set": "<sha256>",
      "metrics": {"auc": {"value": 0.9, "low": 0.85, "high": 0.94, "direction": "higher", "tolerance": 0.02}}}}

A metric is named by its key in the registry, or by its place in details.json with dots: `calibration.before.ece`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cytopipe.errors import CytopipeError
from cytopipe.gate.identity import test_set
from cytopipe.gate.results import Files, Folder, Number, Results
from cytopipe.io.atomic import write_json
from cytopipe.metrics.registry import find


class Expectation(BaseModel):
    """What a metric was, with its interval; which way is better; how much worse (absolute) it may become."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    value: float
    low: float | None
    high: float | None
    direction: Literal["higher", "lower"]
    tolerance: float = Field(ge=0)


class Expected(BaseModel):
    """The metrics of one details.json, and the hash of the images that they were measured on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    test_set: str = Field(pattern="^[0-9a-f]{64}$")
    metrics: dict[str, Expectation] = Field(min_length=1)


Baseline = dict[str, Expected]
_BASELINE: TypeAdapter[Baseline] = TypeAdapter(Baseline)


def read_baseline(file: Path) -> Baseline:
    """Read a baseline.

    Raises:
        CytopipeError: when there is none, it is not of the format above, or it is empty and would let all pass.
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
    """The results of a run as a baseline: the gated metrics that are numbers.

    Args:
        files: of the run.
        tolerance: of the metrics that `old` does not have; by default that of each metric in the registry.
        old: a baseline whose choice of metrics, directions and tolerances stay.

    Raises:
        CytopipeError: when a metric of `old` has no number now, or the test images are not known.
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
    """Take the present metrics and test images as the baseline; its choice, directions and tolerances stay.

    Args:
        root: of the project.
        file: the baseline, which is written.
        tolerance: of the gated metrics of files that the baseline did not cover; by default that of the registry.

    Raises:
        CytopipeError: as `baseline_of`, or when there is no result at all; the file is untouched then.
    """
    baseline = baseline_of(Folder(root), tolerance, read_baseline(file) if file.exists() else None)
    if not baseline:
        raise CytopipeError("no results/**/details.json to take", where=root.absolute(), hint="run `dvc repro` first")
    write_json(file, {path: one.model_dump() for path, one in baseline.items()})
    return baseline
