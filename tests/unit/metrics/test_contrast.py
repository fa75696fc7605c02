from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from scipy.stats import ttest_ind

from cytopipe.metrics.clusters import each_left_out
from cytopipe.metrics.contrast import Contrasted, contrast

GROUPS = 12


def mean_of(values: np.ndarray, inside: np.ndarray, groups: list[str]) -> Contrasted:
    """The contrast of a mean."""

    def measure(rows: np.ndarray) -> Mapping[str, float | None]:
        return {"mean": float(values[rows].mean())}

    return contrast(measure, inside, groups, each_left_out(measure, groups))


def alone(count: int) -> list[str]:
    return [f"{number:03}" for number in range(count)]


def test_images_that_are_their_own_groups_give_welchs_test() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0.3, 2.0, 30), rng.normal(0, 1.0, 50)])
    inside = np.arange(80) < 30
    found = mean_of(values, inside, alone(80))
    welch = ttest_ind(values[inside], values[~inside], equal_var=False)
    difference = found.differences["mean"]
    assert difference.estimate == pytest.approx(values[inside].mean() - values[~inside].mean())
    # The variance of the rest, which is small, is raised to that of all images.
    assert difference.p == pytest.approx(welch.pvalue, rel=0.2) and difference.p >= welch.pvalue
    low, high = welch.confidence_interval(0.95)
    assert difference.low == pytest.approx(low, abs=0.1) and difference.high == pytest.approx(high, abs=0.1)
    assert found.part["mean"].value == pytest.approx(values[inside].mean())


def test_a_part_that_shares_its_groups_with_the_rest_is_paired() -> None:
    """Each patient has images of both stains: what patients differ in does not count."""
    rng = np.random.default_rng(1)
    patient = np.repeat(rng.normal(0, 10, GROUPS), 2)
    values = patient + np.tile([0.5, 0.0], GROUPS) + rng.normal(0, 0.2, 2 * GROUPS)
    groups = np.repeat(alone(GROUPS), 2).tolist()
    found = mean_of(values, np.arange(2 * GROUPS) % 2 == 0, groups).differences["mean"]
    assert found.p is not None and found.p < 0.001
    apart = mean_of(values, np.arange(2 * GROUPS) < GROUPS, groups).differences["mean"]
    assert apart.p is not None and apart.p > 0.01


def test_right_answers_alone_are_no_certainty() -> None:
    """Six groups without an error among twenty with few: no variation is seen, and none is claimed to be absent."""
    right = np.ones(200)
    right[[70, 95, 130, 131, 160]] = 0
    groups = np.repeat(alone(20), 10).tolist()
    found = mean_of(right, np.arange(200) < 60, groups).differences["mean"]
    assert found.estimate is not None and found.estimate > 0
    assert found.p is not None and found.p > 0.05


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        (np.arange(40) < 16, "4 groups count: under 5"),
        (np.arange(40) >= 4, "one group counts: under 5"),
        (np.ones(40, dtype=bool), "every image is of this part"),
    ],
)
def test_few_groups_are_withheld_in_words(inside: np.ndarray, said: str) -> None:
    groups = np.repeat(alone(10), 4).tolist()
    found = mean_of(np.random.default_rng(0).random(40), inside, groups).differences["mean"]
    assert found.p is None and found.low is None and said in found.withheld


def test_many_groups_are_left_out_in_parts() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    found = mean_of(values, np.arange(1000) < 300, alone(1000))
    assert len(found.part["mean"].without) == 200
    welch = ttest_ind(values[:300], values[300:], equal_var=False)
    assert found.differences["mean"].p == pytest.approx(welch.pvalue, abs=0.1)


def test_a_metric_that_is_not_defined_is_withheld() -> None:
    groups = np.repeat(alone(10), 2).tolist()

    def measure(rows: np.ndarray) -> Mapping[str, float | None]:
        return {"never": None, "seldom": None if 0 not in rows else 1.0}

    found = contrast(measure, np.arange(20) < 10, groups, each_left_out(measure, groups)).differences
    assert found["never"].estimate is None and found["never"].withheld
    assert found["seldom"].p is None and found["seldom"].withheld
