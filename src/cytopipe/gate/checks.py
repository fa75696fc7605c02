"""The verdict on every metric; the docstring of the package explains the rule."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from cytopipe.errors import CytopipeError
from cytopipe.gate.baseline import Baseline, Expectation, Expected
from cytopipe.gate.identity import test_set
from cytopipe.gate.results import Change, Files, Number, Results
from cytopipe.metrics.registry import METRICS, find

PASSED = ("ok", "better", "within noise", "new")
OTHER_IMAGES, UNKNOWN_IMAGES = "other test images", "test images unknown"
CHANGED = "the test images, their labels or groups changed: numbers cannot be compared"
CLOSE = 1e-12  # larger than the rounding error of differences of numbers with six digits
SAME = 1e-3  # probabilities in predictions.csv have six digits: broken ties change a metric by no more than this


@dataclass(frozen=True)
class Check:
    """A metric before (None: it is new) and now (None: it is not a number), and the verdict.

    `paired` is the change computed from the predictions of both runs, if it decided. `reason` explains a verdict on the
    test images, or a loss that no noise excuses. `metric` is empty for a missing file.
    """

    file: str
    metric: str
    expected: Expectation | None
    now: Number | None
    verdict: str
    paired: Change | None = None
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether the metric passes the gate."""
        return self.verdict in PASSED

    @property
    def change(self) -> float | None:
        """Now minus before; None unless both are measured on the same images."""
        if self.expected is None or self.now is None or self.verdict in (OTHER_IMAGES, UNKNOWN_IMAGES):
            return None
        return self.now.value - self.expected.value


def compare(now: Files, baseline: Baseline, before: Files | None = None) -> list[Check]:
    """Check every metric of the baseline, then list the metrics that the baseline does not contain.

    Args:
        now: files of the run to check.
        baseline: expected metrics.
        before: files of the run from which the baseline was made, if available.
    """
    checks = [
        check
        for path, expected in sorted(baseline.items())
        for check in _Comparison(Results(now, path), expected, Results(before, path) if before else None).checks()
    ]
    present = now.details_files()
    for path in sorted({*present, *(before.details_files() if before else ())} - baseline.keys()):
        numbers = Results(now, path).headline()
        if path not in present:
            checks.append(Check(path, "", None, None, "no such file"))
        checks += [Check(path, metric, None, number, "new") for metric, number in numbers.items()]
    return checks


def verdict(expected: Expectation, now: Number, paired: Change | None = None, margin: float = math.inf) -> str:
    """`ok`, `better`, `worse` or `within noise`, of a metric of which no group collapsed."""
    sign = 1 if expected.direction == "higher" else -1
    gain = sign * (now.value - expected.value)
    if abs(gain) <= expected.tolerance + CLOSE:
        return "ok"
    if gain < -margin - CLOSE:
        return "worse"
    # Distance of the change from its interval, in the direction of the change.
    rose = now.value > expected.value
    low, high = (paired.low, paired.high) if paired else (expected.low, expected.high)
    if low is None or high is None:
        beyond = math.inf
    elif paired:
        beyond = low if rose else -high
    else:
        beyond = now.value - high if rose else low - now.value
    if beyond <= CLOSE:
        return "within noise"
    return "better" if gain > 0 else "worse"


def margin_of(name: str) -> float:
    """The loss of a metric that no noise excuses; infinite for a number that is not in the registry.

    Args:
        name: its key, or its dotted path in details.json.
    """
    metric = find(name) or next((one for one in METRICS if one.place == name), None)
    return metric.margin if metric else math.inf


@dataclass(frozen=True)
class _Comparison:
    """One details.json and its expected metrics."""

    now: Results
    expected: Expected
    before: Results | None

    def checks(self) -> Iterator[Check]:
        for metric, expected in self.expected.metrics.items():
            yield self._check(metric, expected)
        if self.before:
            new = {name: one for name, one in self.now.headline().items() if name not in self.expected.metrics}
            yield from (Check(self.now.path, metric, None, number, "new") for metric, number in new.items())

    def _check(self, metric: str, expected: Expectation) -> Check:
        number = self.now.number(metric)
        if isinstance(number, str):
            return Check(self.now.path, metric, expected, None, number)
        problem, reason = self._images
        if problem:
            return Check(self.now.path, metric, expected, number, problem, reason=reason)
        paired = None
        if self.before and number.value != expected.value:
            found = self._paired.get(metric)
            if found and math.isclose(found.value, number.value - expected.value, abs_tol=SAME):
                paired = found
        if paired and paired.lost:
            return Check(self.now.path, metric, expected, number, "worse", paired, f"{metric}: {paired.lost}")
        margin = margin_of(metric)
        word = verdict(expected, number, paired, margin)
        excused = verdict(expected, number, paired) if word == "worse" else word
        reason = f"{metric}: a loss of more than {margin:g} is refused whatever the noise" if word != excused else ""
        return Check(self.now.path, metric, expected, number, word, paired, reason)

    @cached_property
    def _images(self) -> tuple[str, str]:
        """Verdict and reason if the test images differ or are unknown; both empty if they are the same."""
        try:
            same = test_set(self.now) == self.expected.test_set
        except CytopipeError as error:
            return UNKNOWN_IMAGES, str(error).replace("\n  -> ", "; ")
        return ("", "") if same else (OTHER_IMAGES, CHANGED)

    @cached_property
    def _paired(self) -> dict[str, Change]:
        from cytopipe.gate.measures import measures_of  # scikit-learn takes a second
        from cytopipe.gate.paired import changes

        return changes(measures_of(self.now), measures_of(self.before)) if self.before else {}
