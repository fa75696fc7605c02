from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

from cytopipe.audit import linear_probe as module
from cytopipe.audit.linear_probe import ProbeResult, balanced, drawn, linear_probe, permuted, probed_classes, ridge


def dataset(
    strength: float, groups: int = 30, classes: int = 3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Features of groups, each of one class and with its own offset."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(groups), 10)
    labels = unit % classes
    own = rng.normal(size=(groups, 8))[unit]
    signal = np.eye(8)[labels] * strength
    return own + signal + rng.normal(size=(len(unit), 8)), labels, [f"g{k}" for k in unit]


def test_a_strong_signal_is_found() -> None:
    result = linear_probe(*dataset(6.0), permutations=100)
    assert result.accuracy > 0.95
    assert result.low > 0.9
    assert result.low <= result.accuracy <= result.high
    assert result.p == pytest.approx(1 / 101)
    assert result.chance == pytest.approx(1 / 3)
    assert (result.images, result.units) == (300, 30)
    assert result.skill == pytest.approx((result.accuracy - 1 / 3) / (2 / 3))


def test_offsets_of_groups_are_not_taken_for_a_signal() -> None:
    """If folds split groups, their offsets would give the class away; p-values are uniform instead."""
    ps = [linear_probe(*dataset(0.0, seed=seed), permutations=100).p for seed in range(40)]
    assert sum(p <= 0.05 for p in ps) <= 5
    assert 0.3 < np.mean(ps) < 0.7


def test_a_probe_is_the_same_each_time_and_repeats_change_its_folds() -> None:
    data = dataset(1.0)
    assert linear_probe(*data, permutations=20) == linear_probe(*data, permutations=20)
    assert linear_probe(*data, permutations=20, repeats=3).accuracy != linear_probe(*data, permutations=20).accuracy


@pytest.mark.parametrize("columns", [5, 200])
def test_ridge_agrees_with_scikit_learn(columns: int) -> None:
    rng = np.random.default_rng(0)
    train, test = rng.normal(3, 2, (60, columns)), rng.normal(3, 2, (20, columns))
    targets = np.eye(3)[rng.choice(3, 60, p=(0.6, 0.3, 0.1))]
    scaler = StandardScaler().fit(train)
    fitted = Ridge(alpha=module.RIDGE * columns).fit(scaler.transform(train), targets)
    frequency = targets.mean(axis=0)
    expected = (fitted.predict(scaler.transform(test)) - frequency) / np.sqrt(frequency * (1 - frequency))
    assert np.allclose(ridge(train, targets, test), expected)


def test_balanced_accuracy_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(4, size=200), rng.integers(4, size=200)
    assert balanced(truth, predicted, 4) == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert balanced(truth % 3, predicted, 4) == pytest.approx(
        np.mean([(predicted[truth % 3 == k] == k).mean() for k in range(3)])
    )


def test_bootstrap_draws_whole_units() -> None:
    unit, truth = np.repeat(np.arange(20), 50), np.repeat(np.arange(20) % 2, 50)
    predicted = np.where(unit < 10, truth, 1 - truth)  # half of the groups are right, wholly
    values = drawn(truth, predicted, unit, 2, np.random.default_rng(0))
    assert np.mean(values) == pytest.approx(0.5, abs=0.02)
    assert 0.08 < np.std(values) < 0.15  # by images it would be 0.016


def test_permutations_keep_blocks_of_a_unit_and_class_together() -> None:
    truth = np.array([0, 0, 1, 1, 1, 0, 2, 2])
    unit = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    for labels in permuted(truth, unit, 50, np.random.default_rng(0)):
        assert labels[0] == labels[1] and labels[2] == labels[3] and labels[6] == labels[7]
        assert sorted(labels[[0, 2, 4, 5, 6]]) == [0, 0, 1, 1, 2]


def test_classes_of_few_units_are_not_probed() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    units = np.array(["a", "b", "c", "a", "b", "b", "a", "c"])
    assert probed_classes(labels, units) == [0]


def test_skill_is_zero_for_chance_and_one_for_perfect_predictions() -> None:
    result = ProbeResult(accuracy=0.625, low=0.5, high=0.7, chance=0.25, p=0.01, images=1, units=1)
    assert (result.skill, result.skill_of(0.25), result.skill_of(1.0)) == (0.5, 0.0, 1.0)
