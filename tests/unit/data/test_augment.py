from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
import pytest

from cytopipe.core.params import Augmentation
from cytopipe.data.augment import Augmenter
from cytopipe.data.changes import LUMA

GEOMETRY: dict[str, object] = {"flips": True, "rotation": 40, "zoom": 0.2, "shift": 0.1}
COLOUR: dict[str, object] = {
    "brightness": 0.4,
    "contrast": 0.4,
    "saturation": 0.4,
    "hue": 0.1,
    "blur": 1.0,
    "noise": 0.2,
}
RAMP = (np.arange(64)[:, None] * 2 + np.arange(64)).astype(np.uint8)[..., None].repeat(3, axis=-1)


def augmenter(strengths: Mapping[str, object], seed: int = 0) -> Callable[[np.ndarray, int, int], np.ndarray]:
    """Augments a sample as if it had the given index in the data."""
    change = Augmenter(Augmentation.model_validate(strengths), seed)
    return lambda sample, epoch, index: change(np.broadcast_to(sample, (index + 1, *sample.shape)), epoch, [index])[0]


def idle(strengths: Mapping[str, object]) -> bool:
    return Augmenter(Augmentation.model_validate(strengths), 0).idle


def cell(masks: int = 2) -> np.ndarray:
    """A white disc off the centre with a smaller one in it; every mask channel is the disc."""
    disc = cv2.circle(np.zeros((64, 64), np.uint8), (25, 35), 14, 255, -1)
    return np.repeat(disc[..., None], 3 + masks, axis=-1)


def test_a_sample_depends_on_seed_epoch_and_index_alone() -> None:
    one = augmenter(GEOMETRY | COLOUR)
    first = one(RAMP.repeat(2, axis=-1), 1, 5)
    one(cell(), 0, 0)
    assert np.array_equal(one(RAMP.repeat(2, axis=-1), 1, 5), first)
    assert np.array_equal(augmenter(GEOMETRY | COLOUR)(RAMP.repeat(2, axis=-1), 1, 5), first)
    for other, epoch, index in ((one, 1, 6), (one, 2, 5), (augmenter(GEOMETRY | COLOUR, seed=1), 1, 5)):
        assert not np.array_equal(other(RAMP.repeat(2, axis=-1), epoch, index), first)


def test_one_change_does_not_follow_from_another() -> None:
    change = augmenter({"blur": 0.5, "noise": 0.1})
    step = np.full((64, 64, 4), 40, np.uint8)
    step[:, 32:, :3] = 200
    found = set()
    for index in range(40):
        result = change(step, 0, index)[..., 0]
        found.add((bool(result[:, 31].mean() > 60), bool(result[:, :16].std() > 0)))
    assert len(found) == 4


def test_a_batch_is_its_samples_one_by_one() -> None:
    items = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 5), dtype=np.uint8)
    change = Augmenter(Augmentation.model_validate(GEOMETRY | COLOUR), 0)
    batch = change(items, 2, np.array([4, 0, 5]))
    alone = [change(items, 2, [index])[0] for index in (4, 0, 5)]
    assert np.array_equal(batch, np.stack(alone))


@pytest.mark.parametrize("masks", [1, 2])
def test_shape_and_type_are_kept(masks: int) -> None:
    result = augmenter(GEOMETRY | COLOUR)(cell(masks), 0, 0)
    assert result.shape == (64, 64, 3 + masks) and result.dtype == np.uint8


@pytest.mark.parametrize("masks", [1, 2])
def test_masks_follow_the_geometry_and_stay_two_valued(masks: int) -> None:
    turn = augmenter(GEOMETRY)
    for index in range(20):
        result = turn(cell(masks), 0, index)
        seen, mask = result[..., 0] > 127, result[..., 3:] == 255
        assert set(np.unique(result[..., 3:])) == {0, 255}
        for channel in np.moveaxis(mask, -1, 0):  # the image is interpolated, the mask is not: edges may differ
            assert (seen != channel).mean() < 0.01
    assert not np.array_equal(result, cell(masks))


def test_flips_move_image_and_masks_exactly_alike() -> None:
    flip = augmenter({"flips": True})
    sample = np.random.default_rng(0).integers(0, 256, (8, 8, 5), dtype=np.uint8)
    sample[..., 3:] = sample[..., :2]
    found = {flip(sample, 0, index).tobytes() for index in range(60)}
    turned = [np.rot90(part, k) for part in (sample, sample[:, ::-1]) for k in range(4)]
    assert found == {np.ascontiguousarray(part).tobytes() for part in turned}


def test_mirrored_images_are_not_turned() -> None:
    flip = augmenter({"flips": "mirror"})
    sample = np.random.default_rng(0).integers(0, 256, (8, 8, 5), dtype=np.uint8)
    found = [flip(sample, 0, index).tobytes() for index in range(80)]
    mirrored = [sample, sample[:, ::-1], sample[::-1], sample[::-1, ::-1]]
    counts = [found.count(np.ascontiguousarray(part).tobytes()) for part in mirrored]
    assert sum(counts) == 80 and all(12 <= count <= 28 for count in counts)


def test_shear_moves_rows_against_each_other_and_masks_with_them() -> None:
    stripe = np.zeros((64, 64, 5), np.uint8)
    stripe[:, 30:34] = 255
    leaning = [augmenter({"shear": 20})(stripe, 0, index) for index in range(20)]
    centres = np.array([[np.flatnonzero(one[row, :, 3]).mean() for row in (16, 48)] for one in leaning])
    shifts = np.abs(centres[:, 0] - centres[:, 1]) / 32  # the tangent of the angle
    assert 0.2 < shifts.max() < np.tan(np.deg2rad(20)) * 1.4
    assert all(((one[..., 0] > 127) != (one[..., 3] > 127)).mean() < 0.02 for one in leaning)
    assert all(set(np.unique(one[..., 3:])) == {0, 255} for one in leaning)


def test_the_largest_kernel_of_the_blur_is_reached_and_not_passed() -> None:
    dot = np.zeros((41, 41, 4), np.uint8)
    dot[20, 20, :3] = 255

    def widths(kernel: int) -> set[int]:
        blur = augmenter({"blur": 1.0, "blur_kernel": kernel})
        return {int((blur(dot, 0, index)[20, :, 0] > 0).sum()) for index in range(60)}

    assert max(widths(3)) == 3 and 3 < max(widths(9)) <= 9


def test_colour_changes_leave_masks_alone() -> None:
    for strength in COLOUR:
        change = augmenter({strength: COLOUR[strength]})
        samples = [change(np.concatenate([RAMP, cell()[..., 3:]], axis=-1), 0, index) for index in range(8)]
        assert all(np.array_equal(sample[..., 3:], cell()[..., 3:]) for sample in samples)
        if strength not in ("saturation", "hue"):  # nothing to do on greys
            assert any(not np.array_equal(sample[..., :3], RAMP) for sample in samples), strength


def test_hue_keeps_brightness_and_half_a_turn_gives_the_complement() -> None:
    red = np.full((8, 8, 5), 100, np.uint8)
    red[..., 0] = 130
    turned = np.array([augmenter({"hue": 0.5})(red, 0, index)[0, 0, :3] for index in range(60)], dtype=float)
    assert np.abs(turned @ LUMA - red[0, 0, :3] @ LUMA).max() < 1
    complement = 2 * (red[0, 0, :3] @ LUMA) - red[0, 0, :3]
    assert np.abs(turned - complement).max(axis=1).min() < 3


def test_contrast_stretches_about_the_mean_brightness() -> None:
    halves = np.full((8, 8, 5), 80, np.uint8)
    halves[:, 4:] = 120
    for index in range(20):
        result = augmenter({"contrast": 0.5})(halves, 0, index)[..., :3].astype(int)
        assert abs(result.mean() - 100) <= 1
        assert 20 <= result[0, 7, 0] - result[0, 0, 0] <= 60


def test_strengths_bound_the_change() -> None:
    grey = np.full((8, 8, 5), 100, np.uint8)
    levels = [int(augmenter({"brightness": 0.2})(grey, 0, index)[0, 0, 0]) for index in range(50)]
    assert 79 <= min(levels) < 90 and 110 < max(levels) <= 121


def test_nothing_asked_for_changes_nothing() -> None:
    sample = cell()
    assert np.array_equal(augmenter({})(sample, 0, 0), sample)
    # Batches are mixed elsewhere, and a kernel without a blur does nothing.
    assert idle({"mixup": 1, "cutmix": 1, "mosaic": 1, "blur_kernel": 9})
    assert not any(
        idle(one) for one in ({"shear": 1}, {"flips": "mirror"}, {"hue": 0.1}, {"blur": 0.1}, {"noise": 0.1})
    )
