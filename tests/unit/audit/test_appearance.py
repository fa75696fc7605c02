from __future__ import annotations

import cv2
import numpy as np
import pytest

from cytopipe.audit.appearance import SIDE, appearance, appearances
from cytopipe.core.io import workers


def item(side: int = SIDE, radius: float = 0.3, nucleus: float = 0.12, seed: int = 0) -> np.ndarray:
    """A cell in a noisy field, H x W x 5 uint8."""
    rng = np.random.default_rng(seed)
    made = np.full((side, side, 5), 0, np.uint8)
    made[..., :3] = 200 + rng.integers(-5, 5, (side, side, 3))
    for channel, share, colour in ((3, radius, (170, 120, 180)), (4, nucleus, (90, 50, 120))):
        mask = np.zeros((side, side), np.uint8)
        cv2.circle(mask, (side // 2, side // 2), round(share * side), 255, -1)
        made[..., channel] = mask
        made[mask > 0, :3] = colour
    return made


def test_turning_and_mirroring_change_next_to_nothing() -> None:
    plain = appearance(item())
    for turned in (np.rot90(item()), item()[:, ::-1]):
        assert appearance(np.ascontiguousarray(turned)) == pytest.approx(plain, abs=0.5)


def test_a_larger_nucleus_and_a_shift_of_colour_are_seen() -> None:
    plain, larger = appearance(item()), appearance(item(nucleus=0.2))
    darker = item()
    darker[..., :3] //= 2
    assert np.abs(larger - plain).max() > 5
    assert np.abs(appearance(darker) - plain).max() > 50


@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_missing_masks_and_images_without_content_give_finite_numbers(channels: tuple[int, ...]) -> None:
    blank = np.zeros((SIDE, SIDE, 5), np.uint8)
    blank[..., list(channels)] = 255
    assert np.isfinite(appearance(blank)).all()
    assert len(appearance(blank)) == len(appearance(item()))


@pytest.mark.parametrize("side", [16, 50, 128])
def test_every_size_gives_as_many_numbers(side: int) -> None:
    assert appearance(item(side)).shape == appearance(item()).shape


def test_the_number_of_processes_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PATIENCE_S", 0)
    items = np.stack([item(seed=seed) for seed in range(70)])
    assert np.array_equal(appearances(items, 1), appearances(items, 2))
