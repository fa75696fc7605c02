from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cytopipe.core.params import Augmentation
from cytopipe.data.augment import Augmenter
from cytopipe.data.changes import LUMA, Changes, draw_changes, pixel_generator

ALL = Augmentation(
    flips=True, rotation=40, zoom=0.2, shift=0.1, shear=5, brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1,
    blur=0.5, blur_kernel=9, noise=0.1, scale=2, grey=0.2, gamma=0.5, hed=0.2, jpeg=0.5, palette=0.5, neighbours=0.5,
)  # fmt: skip


def alike(one: Changes, other: Changes) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None)


def test_the_changes_of_a_sample_depend_on_seed_epoch_and_index_alone() -> None:
    together = draw_changes(ALL, 3, 1, [7, 2, 9])
    alone = draw_changes(ALL, 3, 1, np.array([2]))
    assert alike(alone, Changes(*(part[1:2] for part in together if part is not None)))
    for seed, epoch, index in ((4, 1, 2), (3, 2, 2), (3, 1, 3)):
        assert not alike(draw_changes(ALL, seed, epoch, [index]), alone)


def test_all_samples_of_all_epochs_differ() -> None:
    found = set()
    for seed in range(3):
        for epoch in range(10):
            affine = draw_changes(ALL, seed, epoch, range(50)).affine
            assert affine is not None
            found |= {matrix.tobytes() for matrix in affine}
    assert len(found) == 3 * 10 * 50


def test_draws_are_uniform_over_the_samples() -> None:
    colour = draw_changes(Augmentation(brightness=0.5), 0, 0, range(2000)).colour
    assert colour is not None
    counts, _ = np.histogram(colour[:, 0, 0], bins=10, range=(0.5, 1.5))
    assert counts.sum() == 2000 and np.all(np.abs(counts - 200) < 60)


def test_switching_one_change_off_leaves_the_others_as_they_are() -> None:
    some = draw_changes(ALL.model_copy(update={"zoom": 0.0, "hue": 0.0, "blur": 0.0}), 0, 0, range(5))
    everything = draw_changes(ALL, 0, 0, range(5))
    assert some.blur is None and some.affine is not None and everything.affine is not None
    assert alike(some._replace(affine=None, colour=None), everything)
    mirrored, expected = (np.linalg.det(part[..., :2]) < 0 for part in (some.affine, everything.affine))
    assert np.array_equal(mirrored, expected)


def test_what_is_not_asked_for_is_none() -> None:
    assert draw_changes(Augmentation(), 0, 0, [0]) == Changes(None, None, None, None, None)
    turned = draw_changes(Augmentation(rotation=5), 0, 0, [0])
    assert turned.affine is not None and set(turned[1:]) == {None}


def test_the_scale_is_even_by_the_logarithm() -> None:
    affine = draw_changes(Augmentation(scale=2), 0, 0, range(1000)).affine
    assert affine is not None
    sizes = -np.log2(affine[:, 0, 0])
    assert np.allclose(affine[:, 0, 0], affine[:, 1, 1]) and not affine[:, 0, 1].any()
    assert np.all(np.abs(np.histogram(sizes, bins=5, range=(-1, 1))[0] - 200) < 45)


def test_a_share_of_the_images_is_grey() -> None:
    colour = draw_changes(Augmentation(grey=0.3, hue=0.5), 0, 0, range(1000)).colour
    assert colour is not None
    grey = np.ptp(colour, axis=1).max(axis=1) < 1e-6  # red, green and blue are the same sum
    assert 250 < grey.sum() < 350 and np.allclose(colour[grey], LUMA, atol=1e-6)


def test_the_others_stay_at_home() -> None:
    config = Augmentation(foreign=0.5, scale=2, grey=0.9, gamma=0.5, hed=0.2, jpeg=0.9, palette=0.9, neighbours=0.9)
    found = draw_changes(config, 0, 0, range(400))
    assert found.affine is not None and found.colour is not None and found.stains is not None
    home = np.isclose(found.affine, np.eye(2, 3)).all(axis=(1, 2))
    assert 160 < home.sum() < 240
    assert np.allclose(found.colour[home], np.eye(3), atol=1e-6)
    assert np.allclose(found.stains[home], np.eye(3, 4), atol=1e-6)
    for drawn in (found.jpeg, found.palette, found.neighbours):
        assert drawn is not None and not drawn[home].any() and drawn[~home].mean() > 0.8


def test_a_share_of_the_images_passes_through_jpeg() -> None:
    quality = draw_changes(Augmentation(jpeg=0.5), 0, 0, range(1000)).jpeg
    assert quality is not None and 440 < (quality == 0).sum() < 560
    assert quality[quality > 0].min() < 25 and 85 < quality.max() <= 90


@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_half_of_the_samples_are_noisy_up_to_the_strength(noise: float) -> None:
    drawn = draw_changes(Augmentation(noise=noise), 0, 0, range(400)).noise
    assert drawn is not None and 150 < (drawn > 0).sum() < 250
    assert 0.8 * noise * 255 < drawn.max() <= noise * 255


def test_noise_is_drawn_anew_for_every_sample() -> None:
    keys = [(seed, epoch, index) for seed in range(2) for epoch in range(2) for index in range(3)]
    assert len({float(pixel_generator(*key).standard_normal()) for key in keys}) == len(keys)


def test_torch_warps_by_the_same_matrices() -> None:
    ramp = np.linspace(0, 255, 32)
    items = np.zeros((6, 32, 32, 4), np.uint8)
    items[..., 0], items[..., 1] = np.add.outer(ramp, ramp) / 2, np.subtract.outer(ramp, ramp) / 2 + 128
    warp = Augmenter(Augmentation(flips=True, rotation=40, zoom=0.2, shift=0.1, shear=10), 0)
    affine = warp.draw(0, range(6)).affine
    assert affine is not None
    images = torch.from_numpy(items[..., :3]).permute(0, 3, 1, 2).float()
    grid = F.affine_grid(torch.from_numpy(affine), list(images.shape), align_corners=False)
    inside = (grid.abs().amax(dim=-1) < 0.95).numpy()  # borders are mirrored a pixel apart
    expected = F.grid_sample(images, grid, align_corners=False).permute(0, 2, 3, 1).numpy()
    assert inside.mean() > 0.5
    assert np.abs(warp(items, 0, range(6))[..., :3] - expected)[inside].max() < 1.5
