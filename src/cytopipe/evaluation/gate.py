"""The regression gate: metrics of a finished run against a baseline.

A baseline is JSON, one entry a metric; the key is the file and the metric (`interval.auc.low` for a nested one):

    {"results/classifiers/masks/metrics.json:accuracy": {"value": 0.9, "direction": "higher", "tolerance": 0.02}}
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cytopipe.errors import CytopipeError
from cytopipe.files import write_json
from cytopipe.tables import markdown

HEADLINE = ("accuracy", "balanced_accuracy", "macro_f1", "auc", "dice_cell", "dice_nucleus", "dice_cytoplasm")
PASSED = ("ok", "better")


class Expectation(BaseModel):
    """What a metric was, which way is better, and how much worse (absolute) it may become."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    value: float
    direction: Literal["higher", "lower"]
    tolerance: float = Field(ge=0)


Baseline = dict[str, Expectation]
_BASELINE: TypeAdapter[Baseline] = TypeAdapter(Baseline)


@dataclass(frozen=True)
class Check:
    """A metric now, None where there is no finite number, and the verdict: `ok`, `better`, or what is wrong."""

    metric: str
    expected: Expectation
    now: float | None
    verdict: str

    @property
    def passed(self) -> bool:
        """Whether the gate lets it through."""
        return self.verdict in PASSED


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


def compare(root: Path, baseline: Baseline) -> list[Check]:
    """Judge every metric of the baseline, in its order.

    Args:
        root: of the project; the files of the baseline's keys lie below it.
        baseline: what is expected.
    """
    return [_check(root, metric, expected) for metric, expected in baseline.items()]


def _check(root: Path, metric: str, expected: Expectation) -> Check:
    now = measured(root, metric)
    if isinstance(now, str):
        return Check(metric, expected, None, now)
    drop = (expected.value - now) * (1 if expected.direction == "higher" else -1)
    if math.isclose(abs(drop), expected.tolerance, abs_tol=1e-12) or abs(drop) < expected.tolerance:
        return Check(metric, expected, now, "ok")
    return Check(metric, expected, now, "worse" if drop > 0 else "better")


def measured(root: Path, metric: str) -> float | str:
    """The number that a key of the baseline stands for, or, in words, why there is none."""
    file, _, name = metric.rpartition(":")
    try:
        value: Any = json.loads((root / file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "no such file"
    except (OSError, ValueError):
        return "unreadable file"
    for key in name.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return "no such metric"
        value = value[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "not a number"
    return float(value)


def uncovered(root: Path, baseline: Mapping[str, Any]) -> list[str]:
    """Files results/**/metrics.json of which the baseline names no metric."""
    covered = {metric.rpartition(":")[0] for metric in baseline}
    files = (path.relative_to(root).as_posix() for path in root.glob("results/**/metrics.json"))
    return sorted(set(files) - covered)


def update(root: Path, file: Path, tolerance: float) -> Baseline:
    """Take the present values as the baseline; directions and tolerances stay.

    Args:
        root: of the project.
        file: the baseline, which is written.
        tolerance: of the headline metrics of files that the baseline did not cover.

    Raises:
        CytopipeError: when a metric of the old baseline has no number now, or there is no result at all; the file is
            untouched then.
    """
    baseline = dict(read_baseline(file)) if file.exists() else {}
    for check in compare(root, baseline):
        if check.now is None:
            raise CytopipeError(
                f"{check.metric}: {check.verdict}",
                where=file,
                hint="run the pipeline first; if the metric is gone for good, remove its entry",
            )
        baseline[check.metric] = check.expected.model_copy(update={"value": check.now})
    for path in uncovered(root, baseline):
        for metric in (f"{path}:{name}" for name in HEADLINE):
            now = measured(root, metric)
            if not isinstance(now, str):
                baseline[metric] = Expectation(value=now, direction="higher", tolerance=tolerance)
    if not baseline:
        raise CytopipeError("no results/**/metrics.json to take", where=root.absolute(), hint="run `dvc repro` first")
    write_json(file, {metric: expected.model_dump() for metric, expected in sorted(baseline.items())})
    return baseline


def to_markdown(checks: Sequence[Check]) -> str:
    """The checks as a table."""
    return markdown(
        ("metric", "baseline", "now", "change", "tolerance", "verdict"),
        [
            (
                check.metric,
                f"{check.expected.value:.6g}",
                "-" if check.now is None else f"{check.now:.6g}",
                "-" if check.now is None else f"{check.now - check.expected.value:+.3g}",
                f"{check.expected.tolerance:.3g}",
                check.verdict if check.passed else f"**{check.verdict}**",
            )
            for check in checks
        ],
    )
