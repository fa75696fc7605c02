from __future__ import annotations

import numpy as np
import pytest

from cytopipe.audit.label_permutation import label_permutation


def features(unit: np.ndarray, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values: np.ndarray = rng.normal(size=(unit.max() + 1, 12))[unit] + 0.2 * rng.normal(size=(len(unit), 12))
    return values


def names(unit: np.ndarray) -> list[str]:
    return [f"u{k}" for k in unit]


@pytest.mark.parametrize("seed", range(5))
def test_units_on_one_side_give_chance(seed: int) -> None:
    unit = np.repeat(np.arange(40), 6)
    splits = ["train" if k < 24 else "test" for k in unit]
    finding = label_permutation(features(unit, seed), splits, names(unit), 4)
    assert finding.verdict == "ok"
    assert finding.numbers["units_on_both_sides"] == 0
    assert finding.numbers["nearest_accuracy"] == pytest.approx(0.25, abs=0.03)
    assert finding.numbers["linear_accuracy"] == pytest.approx(0.25, abs=0.03)


def test_units_on_both_sides_are_recognised() -> None:
    unit = np.repeat(np.arange(40), 6)
    splits = ["train" if k % 2 else "test" for k in range(len(unit))]
    finding = label_permutation(features(unit), splits, names(unit), 4)
    assert (finding.verdict, finding.numbers["units_on_both_sides"]) == ("fail", 40)
    assert (finding.numbers["nearest_accuracy"] or 0) > 0.95


def test_a_few_copies_among_many_images_are_enough() -> None:
    unit = np.arange(600)
    unit[-6:] = np.arange(6)  # six test images are copies of training images
    splits = ["train"] * 300 + ["test"] * 300
    finding = label_permutation(features(unit), splits, names(unit), 2)
    assert finding.verdict == "fail"
    assert (finding.numbers["nearest_accuracy"] or 0) == pytest.approx(0.5 + 0.5 * 6 / 300, abs=0.01)


def test_without_images_on_both_sides_the_check_is_skipped() -> None:
    unit = np.arange(30)
    assert label_permutation(features(unit), ["train"] * 30, names(unit), 2).verdict == "skipped"
