from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from cytopipe.models.architectures.otsu import otsu_threshold
from cytopipe.models.registry import build


def picture(background: float, cytoplasm: float, nucleus: float) -> torch.Tensor:
    """An image, 3 x 16 x 16, of a square cell with a square nucleus."""
    grey = torch.full((16, 16), background)
    grey[3:13, 3:13] = cytoplasm
    grey[6:10, 6:10] = nucleus
    return grey.expand(3, 16, 16)


def found(image: torch.Tensor, *, dark_cells: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks of cell and nucleus, H x W bool."""
    logits = build("otsu", dark_cells=dark_cells)(image[None])
    assert logits["cyt"].shape == logits["nuc"].shape == (1, 1, *image.shape[1:])
    return logits["cyt"][0, 0] > 0, logits["nuc"][0, 0] > 0


def square(start: int, stop: int) -> torch.Tensor:
    inside = torch.zeros(16, 16, dtype=torch.bool)
    inside[start:stop, start:stop] = True
    return inside


@pytest.mark.parametrize(("levels", "dark"), [((0.9, 0.5, 0.1), True), ((0.1, 0.5, 0.9), False)])
def test_a_cell_and_its_nucleus_are_found_exactly(levels: tuple[float, float, float], dark: bool) -> None:
    cell, nucleus = found(picture(*levels), dark_cells=dark)
    assert torch.equal(cell, square(3, 13))
    assert torch.equal(nucleus, square(6, 10))


def test_normalised_images_give_the_same_masks() -> None:
    image = picture(0.9, 0.5, 0.1)
    for one, other in zip(found(image), found((image - 0.5) / 0.25), strict=True):
        assert torch.equal(one, other)


def test_a_uniform_image_is_background() -> None:
    for level in (0.0, 0.5, 1.0):
        cell, nucleus = found(picture(level, level, level))
        assert not cell.any() and not nucleus.any()


def test_a_uniform_cell_has_no_nucleus() -> None:
    cell, nucleus = found(picture(0.9, 0.2, 0.2))
    assert torch.equal(cell, square(3, 13))
    assert not nucleus.any()


def test_images_of_a_batch_have_thresholds_of_their_own() -> None:
    images = torch.stack([picture(0.9, 0.5, 0.1), picture(0.3, 0.2, 0.1)])
    together = build("otsu")(images)["nuc"]
    assert torch.equal(together, torch.cat([build("otsu")(images[[i]])["nuc"] for i in (0, 1)]))


def test_the_threshold_separates_two_levels() -> None:
    assert 10 <= otsu_threshold(np.array([10, 10, 10, 200, 200], np.uint8)) < 200
    assert otsu_threshold(np.full((2, 2), 7, np.uint8)) == otsu_threshold(np.zeros(0, np.uint8)) == -1


def test_grey_is_luma_so_that_the_mask_equals_that_of_opencv() -> None:
    # Green is bright and blue is dark, though the mean of the three channels is the same.
    image = torch.zeros(3, 16, 16)
    image[1], image[1, 3:13, 3:13], image[2, 3:13, 3:13] = 1, 0, 1
    cell, _ = found(image)
    assert torch.equal(cell, square(3, 13))
    pixels = (image.permute(1, 2, 0) * 255).byte().numpy()
    _, opencvs = cv2.threshold(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), 0, 1, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)
    assert np.array_equal(cell.numpy(), opencvs.astype(bool))
