from __future__ import annotations

import pytest
import torch

from cytopipe.core.params import Channels
from cytopipe.models.transforms import InputTransform, resize

# Red, green, blue, cell, nucleus of a pixel in the nucleus, one outside the cell and one in the cytoplasm.
ITEMS = torch.tensor([[[[255, 0, 51, 255, 255], [255, 102, 0, 0, 0], [0, 0, 255, 255, 0]]]], dtype=torch.uint8)
HALF = (0.5,) * 5


def pixels(channels: Channels, mean: tuple[float, ...], std: tuple[float, ...]) -> list[list[float]]:
    """Network input for the three pixels of ITEMS."""
    seen = InputTransform(channels, mean, std)(ITEMS)
    assert seen.dtype == torch.float32 and seen.shape[0] == 1 and seen.shape[2:] == (1, 3)
    found: list[list[float]] = seen[0, :, 0].T.tolist()
    return found


@pytest.mark.parametrize(
    ("channels", "nucleus", "outside", "cytoplasm"),
    [
        ("rgb", [1, -1, -0.6], [1, -0.2, -1], [-1, -1, 1]),
        ("rgb+masks", [1, -1, -0.6, 1, 1], [1, -0.2, -1, -1, -1], [-1, -1, 1, 1, -1]),
        ("masked", [1, -1, -0.6], [-1, -1, -1], [-1, -1, 1]),
    ],
)
def test_channels_are_exact(
    channels: Channels, nucleus: list[float], outside: list[float], cytoplasm: list[float]
) -> None:
    count = len(nucleus)
    found = pixels(channels, HALF[:count], HALF[:count])
    for pixel, expected in zip(found, (nucleus, outside, cytoplasm), strict=True):
        assert pixel == pytest.approx(expected, abs=1e-6)


def test_each_channel_has_its_own_mean_and_deviation() -> None:
    found = pixels("rgb", (0, 0.5, 0.2), (1, 0.25, 0.1))
    assert found[0] == pytest.approx([1, -2, 0], abs=1e-6)
    assert found[1] == pytest.approx([1, (0.4 - 0.5) / 0.25, -2], abs=1e-6)


def test_three_channels_are_enough_for_rgb() -> None:
    transform = InputTransform("rgb", (0, 0, 0), (1, 1, 1))
    assert torch.equal(transform(ITEMS[..., :3]), transform(ITEMS))


def test_memory_is_channels_last() -> None:
    seen = InputTransform("rgb", (0, 0, 0), (1, 1, 1))(torch.zeros(2, 4, 4, 5, dtype=torch.uint8))
    assert seen.is_contiguous(memory_format=torch.channels_last)


STORED = torch.zeros(1, 4, 4, 5, dtype=torch.uint8)
STORED[..., 0] = torch.tensor([0, 80, 160, 240])  # red rises to the right
STORED[0, :2, :2, 3] = 255  # the cell is the upper left quarter


@pytest.mark.parametrize(
    ("size", "red"), [(2, [40, 200]), (4, [0, 80, 160, 240]), (8, [0, 20, 60, 100, 140, 180, 220, 240])]
)
def test_colours_are_resized_bilinearly_and_masks_to_the_nearest(size: int, red: list[float]) -> None:
    seen = InputTransform("rgb+masks", (0,) * 5, (1,) * 5, size=size)(STORED)
    assert seen.shape == (1, 5, size, size) and seen.is_contiguous(memory_format=torch.channels_last)
    for row in seen[0, 0]:
        assert (row * 255).tolist() == pytest.approx(red)
    cell = torch.zeros(size, size)
    cell[: size // 2, : size // 2] = 1
    assert torch.equal(seen[0, 3], cell) and not seen[0, 4].any()


def test_masked_images_are_cut_out_after_they_are_resized() -> None:
    seen = InputTransform("masked", (0,) * 3, (1,) * 3, size=8)(STORED)
    assert (seen[0, 0, 0] * 255).tolist() == pytest.approx([0, 20, 60, 100, 0, 0, 0, 0])
    assert not seen[0, 0, 4:].any()


@pytest.mark.parametrize("size", [2, 3, 5, 8, 13])
def test_masks_keep_their_values_at_any_size(size: int) -> None:
    images = (torch.rand(2, 5, 7, 7, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    assert set(resize(images, (size, size + 1))[:, 3:].unique().tolist()) == {0, 1}


def test_images_of_the_size_of_the_network_are_not_resized() -> None:
    plain, sized = (InputTransform("rgb", (0.1,) * 3, (0.3,) * 3, size=size)(STORED) for size in (None, 4))
    assert torch.equal(plain, sized)


@pytest.mark.parametrize(("channels", "count"), [("rgb", 5), ("masked", 5), ("rgb+masks", 3)])
def test_a_mean_that_does_not_fit_the_channels_is_refused(channels: Channels, count: int) -> None:
    with pytest.raises(ValueError, match=r"means and standard deviations"):
        InputTransform(channels, HALF[:count], HALF[:count])
