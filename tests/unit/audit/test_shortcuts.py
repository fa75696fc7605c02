from __future__ import annotations

import numpy as np
import pytest

from cytopipe.audit.findings import conclude, report, worst
from cytopipe.audit.linear_probe import ProbeResult
from cytopipe.audit.shortcuts import Conditions, judge, judge_family, kernel, probe_families
from cytopipe.audit.statistics import NAMES
from cytopipe.results.audit import Finding


def result(low: float, p: float = 0.005) -> ProbeResult:
    return ProbeResult(accuracy=low + 0.05, low=low, high=low + 0.1, chance=0.5, p=p, images=100, units=20)


@pytest.mark.parametrize(
    ("low", "p", "verdict"),
    [(0.49, 0.005, "ok"), (0.54, 0.005, "ok"), (0.56, 0.005, "warning"), (0.76, 0.005, "fail"), (0.76, 0.02, "ok")],
)
def test_a_probe_is_judged_by_the_lower_end_of_its_interval_and_by_its_p(low: float, p: float, verdict: str) -> None:
    assert judge(result(low, p), enough=0.5) == verdict


def test_file_formats_are_never_biology() -> None:
    assert judge_family("file", result(0.56)) == "fail"
    assert judge_family("size", result(0.56)) == "warning"


def test_the_kernel_separates_ranges_of_a_number() -> None:
    """One class is in the middle of the range, so that it is not linearly separable."""
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, (400, 1))
    labels = (np.abs(values[:, 0]) < 0.5).astype(int)
    conditions = Conditions(labels, np.array([f"g{k % 40}" for k in range(400)]), 50, 1)
    straight, curved = conditions.probe(values), conditions.probe(kernel(values))
    assert straight is not None and straight.accuracy < 0.65
    assert curved is not None and curved.accuracy > 0.9


def test_statistics_that_do_not_vary_are_not_probed() -> None:
    rng = np.random.default_rng(0)
    statistics = {name: np.zeros(200) for name in NAMES} | {"brightness": rng.normal(size=200)}
    conditions = Conditions(np.arange(200) % 2, np.array([f"g{k // 5}" for k in range(200)]), 50, 1)
    found = probe_families(conditions, statistics)
    assert [family for family, probed in found.items() if probed is not None] == ["brightness"]


def test_the_most_severe_finding_gives_the_verdict() -> None:
    def finding(verdict: str) -> Finding:
        return conclude("groups", verdict, "t", "x")  # type: ignore[arg-type]

    assert worst([finding("ok"), finding("skipped")]) == "ok"
    assert worst([finding("skipped")]) == "ok"
    assert worst([finding("ok"), finding("fail"), finding("warning")]) == "fail"
    assert report("d", "off", [], []).plain == {
        "dataset": "d",
        "level": "off",
        "images": {"train": 0, "val": 0, "test": 0},
        "verdict": "off",
        "findings": [],
    }
