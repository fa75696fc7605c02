"""Copies that were shifted, cropped or turned are found, other cells are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

from cytopipe.audit import registration, spectra
from cytopipe.audit.registration import registered
from cytopipe.audit.spectra import portrait
from made_cells import make_cells

COPIED = 12
Image = np.ndarray


def moved(image: Image, right: float = 0, down: float = 0, degrees: float = 0) -> Image:
    height, width = image.shape
    change = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    change[:, 2] += np.array((right, down))
    return cv2.warpAffine(image, change, (width, height), borderMode=cv2.BORDER_REFLECT_101)


COPIES: dict[str, Callable[[Image], Image]] = {
    "shifted": lambda image: moved(image, right=3),
    "shifted both ways": lambda image: moved(image, right=-3, down=2),
    "cropped": lambda image: image[2:, 2:],
    "cropped all around": lambda image: image[2:-2, 2:-2],
    "turned": lambda image: moved(image, degrees=7),
    "turned and mirrored": lambda image: moved(image, degrees=-7)[:, ::-1].copy(),
    "turned by a quarter and some": lambda image: np.rot90(moved(image, degrees=5)).copy(),
    "brighter": lambda image: np.clip(moved(image, right=2) * 1.1 + 6, 0, 255).astype(np.uint8),
}


@pytest.fixture(scope="module")
def cells() -> list[Image]:
    return [cv2.cvtColor(cell.image, cv2.COLOR_RGB2GRAY) for cell in make_cells(groups=12)]


def found(images: Sequence[Image], places: Sequence[str] | None = None) -> set[tuple[int, int]]:
    places = places or [str(number) for number in range(len(images))]
    sides = np.array([min(image.shape) for image in images])
    pairs = registered(np.stack([portrait(image) for image in images]), places, sides)
    assert all(pair.distance is None and pair.correlation >= registration.LEAST_CORRELATION for pair in pairs)
    return {(pair.first, pair.second) for pair in pairs}


def test_cells_of_one_kind_are_no_copies(cells: list[Image]) -> None:
    assert found(cells) == set()


@pytest.mark.parametrize("kind", COPIES)
def test_copies_are_found_and_nothing_else(kind: str, cells: list[Image]) -> None:
    sources = list(range(0, len(cells), len(cells) // COPIED))[:COPIED]
    pairs = found([*cells, *(COPIES[kind](cells[source]) for source in sources)])
    wanted = {(source, len(cells) + number) for number, source in enumerate(sources)}
    assert pairs <= wanted
    assert len(pairs) >= COPIED - 1


def test_images_of_one_place_are_not_compared(cells: list[Image]) -> None:
    images = [*cells[:20], COPIES["shifted"](cells[3])]
    assert found(images) == {(3, 20)}
    assert found(images, [*(str(number) for number in range(20)), "3"]) == set()


def test_images_that_are_too_small_or_even_are_not_compared(cells: list[Image]) -> None:
    small = [cv2.resize(cell, (20, 20), interpolation=cv2.INTER_AREA) for cell in cells[:10]]
    assert found([*small, small[0]]) == set()
    assert found([np.full((40, 40), 90, np.uint8)] * 3) == set()
    assert found(cells[:1]) == set()


def test_images_that_are_not_square_are_compared(cells: list[Image]) -> None:
    wide = [cv2.resize(cell, (80, 48)) for cell in cells[:30]]
    assert found([*wide, moved(wide[4], degrees=7)]) == {(4, 30)}


@pytest.mark.parametrize("which", spectra.ORIENTATIONS)
def test_the_spectrum_of_a_turned_image_is_the_turned_spectrum(which: tuple[int, int], cells: list[Image]) -> None:
    mirrored, quarters = which
    images = np.stack([portrait(cell) for cell in cells[:6]])
    turned = np.stack([np.rot90(image[:, ::-1] if mirrored else image, quarters) for image in images])
    plain, other = spectra._spectra(images, (0, 0)), spectra._spectra(np.ascontiguousarray(turned), (0, 0))
    expected = spectra.oriented(plain, mirrored, quarters)
    assert np.corrcoef(expected.ravel(), other.ravel())[0, 1] > 0.98
