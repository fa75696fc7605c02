"""Augmentation where the network is: the same changes as on the CPU, whatever the batch."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch

from cytopipe.core.params import Augmentation
from cytopipe.data.augment import Augmenter
from cytopipe.training.augment_tensors import TensorAugmenter

SIDE = 32
GEOMETRY = {"flips": True, "rotation": 30, "zoom": 0.2, "shift": 0.1, "shear": 10}
COLOURS = {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.1}
STAINS = {"hed": 0.2, "gamma": 0.4}


def smooth_items(count: int = 8) -> np.ndarray:
    """Smooth images with two masks of 0 and 255."""
    rng = np.random.default_rng(0)
    items = np.empty((count, SIDE, SIDE, 5), np.uint8)
    for item in items:
        item[..., :3] = cv2.resize(
            rng.integers(40, 216, (4, 4, 3), np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC
        )
        item[..., 3:] = np.where(cv2.resize(rng.random((4, 4, 2)), (SIDE, SIDE)) > 0.5, 255, 0)
    return items


ITEMS = smooth_items()
INDICES = np.arange(len(ITEMS))


def both(changes: dict[str, Any], epoch: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """The items as changed by torch and by OpenCV."""
    config = Augmentation.model_validate(changes)
    found = TensorAugmenter(config, 5)(torch.from_numpy(ITEMS), epoch, INDICES)
    assert found.dtype == torch.uint8 and found.shape == ITEMS.shape
    return found.numpy(), Augmenter(config, 5)(ITEMS, epoch, INDICES)


@pytest.mark.parametrize("changes", [{"flips": True}, {"flips": "mirror"}])
def test_flips_are_exactly_those_of_the_cpu(changes: dict[str, Any]) -> None:
    found, expected = both(changes)
    assert np.array_equal(found, expected)
    assert not np.array_equal(found, ITEMS)


@pytest.mark.parametrize(
    "changes",
    [
        *(GEOMETRY, COLOURS, GEOMETRY | COLOURS, STAINS, {"grey": 0.5}, {"scale": 1.5}),
        *({name: GEOMETRY[name]} for name in GEOMETRY),
    ],
)
def test_images_are_those_of_the_cpu_within_rounding_and_masks_stay_masks(changes: dict[str, Any]) -> None:
    found, expected = both(changes)
    distance = np.abs(found[..., :3].astype(int) - expected[..., :3])
    assert distance.mean() < 1 and np.quantile(distance, 0.99) <= 3
    assert set(np.unique(found[..., 3:])) == {0, 255}
    assert (found[..., 3:] == expected[..., 3:]).mean() > 0.99
    assert not np.array_equal(found, ITEMS)


def test_the_changes_of_an_image_depend_on_seed_epoch_and_index_alone() -> None:
    config = Augmentation.model_validate(GEOMETRY | COLOURS)
    whole = TensorAugmenter(config, 5)(torch.from_numpy(ITEMS), 3, INDICES)
    part = [6, 1]
    assert torch.equal(TensorAugmenter(config, 5)(torch.from_numpy(ITEMS[part]), 3, part), whole[part])
    for seed, epoch in ((6, 3), (5, 4)):
        other = TensorAugmenter(config, seed)(torch.from_numpy(ITEMS), epoch, INDICES)
        assert not any(torch.equal(one, same) for one, same in zip(other, whole, strict=True))


def test_images_without_masks_are_changed_alike() -> None:
    augmenter = TensorAugmenter(Augmentation.model_validate(GEOMETRY | COLOURS), 5)
    whole = augmenter(torch.from_numpy(ITEMS), 3, INDICES)
    assert torch.equal(augmenter(torch.from_numpy(ITEMS[..., :3]), 3, INDICES), whole[..., :3])
