from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from cytopipe.core.params import View
from cytopipe.models.folder import save_model
from cytopipe.models.inference.segment import Segmentation
from cytopipe.models.registry import build
from cytopipe.models.transforms import InputTransform
from cytopipe.results.model_spec import ModelSpec

WHOLE = View(view="whole", input_size=32)
TILES = View(view="tiles", input_size=32, scale=1.0, overlap=0.5)


class Threshold(nn.Module):
    """A segmenter for which the cell is darker than 200 and the nucleus darker than 90, with extreme logits."""

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        grey = images.mean(dim=1, keepdim=True) * 255
        return {"cyt": (200 - grey) * 100, "nuc": (90 - grey) * 100}


def picture(height: int, width: int, shift: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """An image of a disc with a nucleus (H x W x 3), and its palette mask (H x W)."""
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, (width // 2 + shift, height // 2), 12, 1, -1)
    cv2.circle(mask, (width // 2 + shift, height // 2), 5, 2, -1)
    return np.array([240, 140, 40], np.uint8)[mask][..., None].repeat(3, axis=-1), mask


def by_threshold(view: View, batch_size: int = 32) -> Segmentation:
    return Segmentation(Threshold(), InputTransform("rgb", (0, 0, 0), (1, 1, 1)), view, batch_size)


def network(view: View, batch_size: int = 32) -> Segmentation:
    torch.manual_seed(0)
    model = build("attention_unet", encoder="test_convnext", decoder_widths=(8, 8, 8)).eval()
    with torch.no_grad():  # about half of the pixels inside
        for head, logits in model(torch.randn(8, 3, 32, 32)).items():
            model.get_submodule(f"heads.{head}").bias -= logits.mean()
    return Segmentation(model, InputTransform("rgb", (0.5,) * 3, (0.2,) * 3), view, batch_size)


SIZES = [(32, 32), (40, 70), (33, 32), (64, 48), (20, 25), (32, 32)]


@pytest.mark.parametrize(
    "view", [WHOLE, TILES, View(view="tiles", input_size=32, scale=0.5), View(view="tiles", input_size=32, scale=1.7)]
)
def test_masks_come_in_order_in_their_images_own_sizes(view: View) -> None:
    images = [picture(height, width, shift=index)[0] for index, (height, width) in enumerate(SIZES)]
    masks = list(by_threshold(view, batch_size=4).masks(images))
    assert [mask.shape for mask in masks] == SIZES
    for (height, width), mask, index in zip(SIZES, masks, range(len(SIZES)), strict=True):
        assert mask.dtype == np.uint8
        assert (mask != picture(height, width, shift=index)[1]).mean() < 0.06  # edges move where an image is scaled


@pytest.mark.parametrize("size", SIZES)
def test_tiles_that_are_not_scaled_are_exact_to_the_edges(size: tuple[int, int]) -> None:
    image, mask = picture(*size, shift=3)
    (found,) = by_threshold(TILES).masks([image])
    assert np.array_equal(found, mask)


def test_the_same_masks_come_from_any_batch_size() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in SIZES]
    for view in (WHOLE, TILES):
        expected = list(network(view, 1).masks(images))
        assert all(0.2 < mask.mean() < 1.8 for mask in expected)
        for batch_size in (2, 5, 64):
            for mask, one in zip(network(view, batch_size).masks(images), expected, strict=True):
                assert mask.shape == one.shape
                assert (mask != one).mean() < 0.001  # the last bit of a sum may depend on the batch


def test_no_more_images_are_read_than_fill_a_batch() -> None:
    read = 0

    def images() -> Iterator[np.ndarray]:
        nonlocal read
        for _ in range(20):
            read += 1
            yield picture(64, 64)[0]  # nine tiles

    for view, batch_size, expected in ((TILES, 9, 1), (TILES, 10, 2), (WHOLE, 4, 4)):
        read = 0
        next(by_threshold(view, batch_size).masks(images()))
        assert read == expected


def test_no_images_give_no_masks() -> None:
    assert list(by_threshold(WHOLE).masks([])) == []


def test_a_nucleus_counts_only_inside_a_cell() -> None:
    class Contrary(Threshold):
        def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            logits = super().forward(images)
            return {"cyt": logits["nuc"], "nuc": logits["cyt"]}

    image, mask = picture(32, 32)
    transform = InputTransform("rgb", (0, 0, 0), (1, 1, 1))
    (found,) = Segmentation(Contrary(), transform, WHOLE).masks([image])
    assert np.array_equal(found, np.where(mask == 2, 2, 0))


def test_probabilities_are_of_cell_and_nucleus() -> None:
    image, mask = picture(32, 32)
    values = by_threshold(WHOLE).probabilities(image[None])
    assert values.shape == (1, 32, 32, 2) and values.dtype == np.float32
    assert np.array_equal(values[0, ..., 0], mask >= 1)
    assert np.array_equal(values[0, ..., 1], mask == 2)


def test_a_model_folder_contains_view_and_normalisation(tmp_path: Path) -> None:
    view = {"view": "tiles", "input_size": 32, "scale": 1.0, "overlap": 0.5}
    spec = ModelSpec(
        task="segmentation",
        architecture="attention_unet",
        arguments={"encoder": "test_convnext", "decoder_widths": [8, 8, 8]},
        classes=("cyt", "nuc"),
        channels="rgb",
        input_size=32,
        mean=(0.5,) * 3,
        std=(0.2,) * 3,
        training_data_sha256="0" * 64,
        view=view,
    )
    one = network(TILES)
    save_model(tmp_path, one.model, spec)
    loaded = Segmentation.load(tmp_path, torch.device("cpu"))
    assert loaded.view == TILES
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    assert np.allclose(loaded.probabilities(image), one.probabilities(image), atol=1e-6)  # other numbers of windows


def test_the_network_is_in_evaluation_mode() -> None:
    model = Threshold().train()
    assert not Segmentation(model, InputTransform("rgb", (0, 0, 0), (1, 1, 1)), WHOLE).model.training
