from __future__ import annotations

import random
from collections.abc import Mapping

import albumentations as A
import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from cytopipe.core.params import Augmentation
from cytopipe.data.augment import Augmenter, sample_seed

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


def augmenter(strengths: Mapping[str, object], seed: int = 0) -> Augmenter:
    return Augmenter(Augmentation.model_validate(strengths), seed)


def cell(masks: int = 2) -> np.ndarray:
    """A white disc off the centre with a smaller one in it; every mask channel is the disc."""
    disc = cv2.circle(np.zeros((64, 64), np.uint8), (25, 35), 14, 255, -1)
    return np.repeat(disc[..., None], 3 + masks, axis=-1)


class Plain(Dataset[np.ndarray]):
    """One image, augmented as albumentations is usually called."""

    def __init__(self) -> None:
        self.compose = A.Compose([A.Affine(rotate=(-90, 90), p=1)])

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> np.ndarray:
        image: np.ndarray = self.compose(image=RAMP)["image"]
        return image


def test_albumentations_alone_ignores_global_seeds() -> None:
    found = []
    for _ in range(2):
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        found.append(Plain()[0])
    assert not np.array_equal(found[0], found[1])


def test_albumentations_alone_gives_every_worker_the_same_draws() -> None:
    first, second = DataLoader(Plain(), batch_size=None, num_workers=2)
    assert torch.equal(first, second)


def test_a_sample_depends_on_seed_epoch_and_index_alone() -> None:
    one = augmenter(GEOMETRY | COLOUR)
    first = one(RAMP.repeat(2, axis=-1), 1, 5)
    one(cell(), 0, 0)
    assert np.array_equal(one(RAMP.repeat(2, axis=-1), 1, 5), first)
    assert np.array_equal(augmenter(GEOMETRY | COLOUR)(RAMP.repeat(2, axis=-1), 1, 5), first)
    for other, epoch, index in ((one, 1, 6), (one, 2, 5), (augmenter(GEOMETRY | COLOUR, seed=1), 1, 5)):
        assert not np.array_equal(other(RAMP.repeat(2, axis=-1), epoch, index), first)


def test_one_change_does_not_follow_from_another() -> None:
    # With a generator of the same seed for each step, as albumentations gives them, blur and noise came together.
    change = augmenter({"blur": 0.5, "noise": 0.1})
    step = np.full((64, 64, 4), 40, np.uint8)
    step[:, 32:, :3] = 200
    found = set()
    for index in range(40):
        result = change(step, 0, index)[..., 0]
        found.add((bool(result[:, 31].mean() > 60), bool(result[:, :16].std() > 0)))
    assert len(found) == 4


def test_seeds_of_neighbours_differ() -> None:
    seeds = {sample_seed(seed, epoch, index) for seed in range(3) for epoch in range(10) for index in range(50)}
    assert len(seeds) == 3 * 10 * 50
    assert all(0 <= seed < 2**32 for seed in seeds)


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


def test_strengths_bound_the_change() -> None:
    grey = np.full((8, 8, 5), 100, np.uint8)
    levels = [int(augmenter({"brightness": 0.2})(grey, 0, index)[0, 0, 0]) for index in range(50)]
    assert 79 <= min(levels) < 90 and 110 < max(levels) <= 121


def test_nothing_asked_for_changes_nothing() -> None:
    sample = cell()
    assert augmenter({})(sample, 0, 0) is sample
    # Batches are mixed elsewhere, and a kernel without a blur does nothing.
    assert augmenter({"mixup": 1, "cutmix": 1, "mosaic": 1, "blur_kernel": 9}).idle
    assert not augmenter({"shear": 1}).idle and not augmenter({"flips": "mirror"}).idle
