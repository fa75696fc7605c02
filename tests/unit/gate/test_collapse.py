from __future__ import annotations

import numpy as np
import pytest

from cytopipe.gate.collapse import LEVEL, collapsed


def gains(*groups: tuple[int, int, int]) -> tuple[np.ndarray, list[str]]:
    """Groups of images of which some are worse, some better, and the rest as before."""
    values, names = [], []
    for number, (worse, better, same) in enumerate(groups):
        values += [-1.0] * worse + [1.0] * better + [0.0] * same
        names += [f"g{number}"] * (worse + better + same)
    return np.array(values), names


def test_a_lost_group_is_named_with_its_images() -> None:
    found = collapsed(*gains((39, 0, 2), *[(1, 1, 39)] * 9), least=0.5)
    assert [(one.group, one.images, one.worse, round(one.loss, 3)) for one in found] == [("g0", 41, 39, 0.951)]
    assert str(found[0]) == "group g0 collapsed: 39 of its 41 images are worse"


def test_few_images_may_be_lost_by_chance() -> None:
    """Ten of ten groups' images: 10 x 2^-10 is below the level, nine of them are not."""
    assert 10 * 2.0**-10 < LEVEL < 10 * 2.0**-9
    assert [one.group for one in collapsed(*gains((10, 0, 0), *[(0, 0, 10)] * 9), least=0.5)] == ["g0"]
    assert collapsed(*gains((9, 0, 0), *[(0, 0, 10)] * 9), least=0.5) == []


def test_a_group_that_lost_less_than_the_least_has_not_collapsed() -> None:
    assert collapsed(*gains((20, 0, 21), (0, 0, 41)), least=0.5) == []
    assert len(collapsed(*gains((21, 0, 20), (0, 0, 41)), least=0.5)) == 1


def test_gains_and_unchanged_groups_are_no_collapse_and_undefined_images_do_not_count() -> None:
    assert collapsed(*gains((0, 30, 0), (0, 0, 30)), least=0.5) == []
    values, names = gains((12, 0, 0), (0, 0, 12))
    assert len(collapsed(np.r_[values, np.full(30, np.nan)], [*names, *["g0"] * 30], least=0.5)) == 1
    assert collapsed(np.array([]), [], least=0.5) == []


def test_chance_alone_rarely_looks_like_a_collapse() -> None:
    """Models that are right at random: no group of 40 is lost in 300 draws of 10 groups."""
    rng = np.random.default_rng(0)
    names = [f"g{number // 40}" for number in range(400)]
    caught = 0
    for _ in range(300):
        now, before = (rng.random((2, 400)) < 0.6).astype(float)
        caught += bool(collapsed(now - before, names, least=0.5))
    assert caught == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_a_continuous_metric_collapses_too(sign: int) -> None:
    values = np.r_[np.full(15, -0.6), np.linspace(-0.02, 0.02, 45)]
    names = [f"g{number // 15}" for number in range(60)]
    assert bool(collapsed(sign * values, names, least=0.5)) is (sign == 1)
