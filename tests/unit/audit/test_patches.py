from __future__ import annotations

import numpy as np

from cytopipe.audit import patches


def items(count: int = 30, side: int = 40, seed: int = 0) -> np.ndarray:
    """Noise with a cell of 12 px in the centre."""
    found = np.random.default_rng(seed).integers(0, 256, (count, side, side, 5), dtype=np.uint8)
    found[..., 3:] = 0
    found[:, 14:26, 14:26, 3] = 255
    return found


def test_the_covered_cell_does_not_change_the_background() -> None:
    images = items()
    dictionary = patches.learn_dictionary(images, 32, 20, seed=0)
    whole, background, shown = patches.features(images, dictionary, margin=2)
    assert whole.shape == background.shape == (30, 4 * (20 + 6))
    changed = images.copy()
    changed[:, 14:26, 14:26, :3] = 0
    other_whole, other_background, _ = patches.features(changed, dictionary, margin=2)
    assert np.allclose(background, other_background, atol=1e-5)
    assert not np.allclose(whole, other_whole, atol=1e-2)
    assert ((shown > 0.2) & (shown < 0.8)).all()


def test_without_a_cell_the_background_is_everything_and_under_one_nothing() -> None:
    images = items()
    dictionary = patches.learn_dictionary(images, 32, 20, seed=0)
    images[:, :, :, 3] = 0
    whole, background, shown = patches.features(images, dictionary, margin=2)
    assert np.allclose(whole, background, atol=1e-5)
    assert (shown == 1).all()
    images[:, :, :, 3] = 255
    _, background, shown = patches.features(images, dictionary, margin=2)
    assert not shown.any()
    assert not background.any()


def test_a_quadrant_without_background_takes_the_average_of_the_others() -> None:
    values = np.arange(16, dtype=np.float32).reshape(1, 16, 1)
    shown = np.ones((1, 4, 4), np.float32)
    shown[:, :2, :2] = 0
    others = float(np.mean([2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]))
    assert np.allclose(patches._pooled(values, shown.reshape(1, 16), 4), [[others, 4.5, 10.5, 12.5]])


def test_holes_of_a_mask_are_covered() -> None:
    cell = np.zeros((40, 40), np.float32)
    cell[10:30, 10:30] = 1
    cell[16:24, 16:24] = 0
    covered = patches.cover(cell, 2)
    assert covered[10:30, 10:30].all()
    assert covered[8:10, 20].all() and not covered[7, 20]
    assert patches.cover(np.zeros((9, 9)), 2).sum() == 0


def test_the_dictionary_is_the_same_each_time_and_another_for_another_seed() -> None:
    images = items()
    first, second, other = (patches.learn_dictionary(images, 32, 20, seed) for seed in (0, 0, 1))
    assert np.array_equal(first.filters, second.filters)
    assert not np.array_equal(first.filters, other.filters)
