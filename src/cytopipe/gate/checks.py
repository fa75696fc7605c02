"""The verdict on every metric; the package's docstring gives the rule and its reasons."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from cytopipe.errors import CytopipeError
from cytopipe.gate.baseline import Baseline, Expectation, Expected
from cytopipe.gate.identity import test_set
from cytopipe.gate.results import Change, Files, Number, Results

PASSED = ("ok", "better", "within noise", "new")
OTHER_IMAGES, UNKNOWN_IMAGES = "other test images", "test images unknown"
CHANGED = "the test images, their labels or groups changed: numbers cannot be compared"
CLOSE = 1e-12  # beyond what subtracting numbers of six digits leaves
SAME = 1e-3  # predictions.csv holds six digits of a probability: ties may break, a metric moves by no more


@dataclass(frozen=True)
class Check:
    """A metric before (None: it is new) and now (None: no number), and the verdict.

    `paired` is the change by the predictions of both runs, where these decided. `reason` explains a verdict on the test
    images. `metric` is empty for a file without headline metrics.
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
        """Whether the gate lets it through."""
        return self.verdict in PASSED

    @property
    def change(self) -> float | None:
        """Now minus before, of the same images."""
        if self.expected is None or self.now is None or self.verdict in (OTHER_IMAGES, UNKNOWN_IMAGES):
            return None
        return self.now.value - self.expected.value


def compare(now: Files, baseline: Baseline, before: Files | None = None) -> list[Check]:
    """Judge every metric of the baseline; then list what the baseline does not have.

    Args:
        now: files of the run to judge.
        baseline: what is expected.
        before: files of the run that the baseline was made of, where they are at hand.
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


def verdict(expected: Expectation, now: Number, paired: Change | None = None) -> str:
    """`ok`, `better`, `worse` or `within noise`."""
    sign = 1 if expected.direction == "higher" else -1
    gain = sign * (now.value - expected.value)
    if abs(gain) <= expected.tolerance + CLOSE:
        return "ok"
    # How far the change lies outside its interval, on the side that it went to.
    if paired:
        beyond = paired.low if now.value > expected.value else -paired.high
    elif expected.low is None or expected.high is None:
        beyond = math.inf
    else:
        beyond = now.value - expected.high if now.value > expected.value else expected.low - now.value
    if beyond <= CLOSE:
        return "within noise"
    return "better" if gain > 0 else "worse"


@dataclass(frozen=True)
class _Comparison:
    """One details.json against what is expected of it."""

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
        return Check(self.now.path, metric, expected, number, verdict(expected, number, paired), paired)

    @cached_property
    def _images(self) -> tuple[str, str]:
        """What is wrong with the test images, and the reason; both empty where they are the same."""
        try:
            same = test_set(self.now) == self.expected.test_set
        except CytopipeError as error:
            return UNKNOWN_IMAGES, str(error).replace("\n  -> ", "; ")
        return ("", "") if same else (OTHER_IMAGES, CHANGED)

    @cached_property
    def _paired(self) -> dict[str, Change]:
        from cytopipe.gate.paired import changes  # scikit-learn takes a second

        return changes(self.now.predictions, self.before.predictions) if self.before else {}
