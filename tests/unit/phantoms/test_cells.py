from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from cytopipe_phantoms import outlines
from cytopipe_phantoms.anatomy import Cell, draw_cell
from cytopipe_phantoms.cell import paint_cell
from cytopipe_phantoms.spec import Phantom
from cytopipe_phantoms.stain import HEMATOXYLIN, prepare_bath
from cytopipe_phantoms.textures import fractal_noise, smooth_noise

CLASSES = ["Dyskeratotic", "Koilocytotic", "Metaplastic", "Parabasal", "Superficial-Intermediate"]
NO_PREFERENCE = np.ones(3)


def cells(phantom: Phantom, name: str, count: int) -> list[Cell]:
    rng = np.random.default_rng(11)
    return [draw_cell(phantom.classes[name], NO_PREFERENCE, rng) for _ in range(count)]


def reference_fill(polygon: outlines.Polygon, shape: tuple[int, int]) -> np.ndarray:
    mask = Image.new("L", shape[::-1])
    ImageDraw.Draw(mask).polygon([(x, y) for x, y in polygon], fill=1)
    return np.asarray(mask)


def nc_ratios(phantom: Phantom, name: str) -> np.ndarray:
    drawn = cells(phantom, name, 120)
    return np.array([outlines.area(cell.nucleus) / outlines.area(cell.cytoplasm) for cell in drawn])


def test_the_table_names_the_five_classes(phantom: Phantom) -> None:
    assert list(phantom.classes) == CLASSES


@pytest.mark.parametrize("name", CLASSES)
def test_nuclei_lie_within_their_cytoplasm(phantom: Phantom, name: str) -> None:
    for cell in cells(phantom, name, 80):
        assert outlines.clearance(cell.cytoplasm, cell.nucleus) > 2


@pytest.mark.parametrize("name", CLASSES)
def test_cells_have_the_area_of_their_radius(phantom: Phantom, name: str) -> None:
    limits = phantom.classes[name].shape.radius
    for cell in cells(phantom, name, 40):
        assert limits.low - 0.01 <= np.sqrt(outlines.area(cell.cytoplasm) / np.pi) <= limits.high + 0.01


def test_nc_ratio_falls_from_parabasal_to_metaplastic_to_superficial(phantom: Phantom) -> None:
    parabasal, metaplastic, superficial = (nc_ratios(phantom, name) for name in CLASSES[3:1:-1] + CLASSES[4:])
    assert parabasal.mean() > 1.2 * metaplastic.mean()
    assert metaplastic.mean() > 2 * superficial.mean()


@pytest.mark.parametrize(
    ("larger", "smaller"),
    [
        ("Parabasal", "Metaplastic"),
        ("Metaplastic", "Dyskeratotic"),
        ("Dyskeratotic", "Koilocytotic"),
        ("Koilocytotic", "Superficial-Intermediate"),
    ],
)
def test_neighbouring_classes_overlap_in_nc_ratio(phantom: Phantom, larger: str, smaller: str) -> None:
    low, high = nc_ratios(phantom, smaller), nc_ratios(phantom, larger)
    assert low.mean() < high.mean()
    assert np.quantile(low, 0.97) > np.quantile(high, 0.03)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("scale", [0.25, 1.0])
def test_a_cell_is_dark_exactly_where_its_contour_is_filled(phantom: Phantom, name: str, scale: float) -> None:
    shape = (round(900 * scale), round(900 * scale))
    square = np.ones((3, 3), np.uint8)
    for drawn in cells(phantom, name, 3):
        cell = drawn.at(np.array([450.3, 449.6]), scale)
        amounts = np.zeros((*shape, 4), np.float32)
        paint_cell(amounts, cell, scale=scale, defocus=0.0, rng=np.random.default_rng(1))
        for polygon, pigment in ((cell.cytoplasm, amounts.sum(axis=2)), (cell.nucleus, amounts[..., HEMATOXYLIN])):
            filled = reference_fill(polygon, shape)
            assert pigment[cv2.erode(filled, square) > 0].min() > 0
            # A pixel beyond the fill's rim a side may still graze.
            assert pigment[cv2.dilate(filled, square) == 0].max() < 0.3 * np.median(pigment[filled > 0])


@pytest.mark.parametrize("name", CLASSES)
def test_coverage_agrees_with_the_reference_fill_but_for_a_few_rim_pixels(phantom: Phantom, name: str) -> None:
    shape = (225, 225)
    for drawn in cells(phantom, name, 5):
        cell = drawn.at(np.array([450.0, 450.0]), 0.25)
        filled = reference_fill(cell.cytoplasm, shape)
        differing = (outlines.coverage(cell.cytoplasm, shape) >= 0.5) != (filled > 0)
        rim = cv2.morphologyEx(filled, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
        assert differing.sum() < 0.12 * np.count_nonzero(rim)


def test_a_fold_cuts_the_outline_and_lays_the_flap_inside() -> None:
    circle = outlines.trace(np.full(120, 100.0), 1, 0)
    cut, flap = outlines.fold(circle, 0.0, 0.8)
    assert cut[:, 0].max() == pytest.approx(80)
    assert flap[:, 0].max() == pytest.approx(80, abs=0.1)
    assert flap[:, 0].min() == pytest.approx(60, abs=0.1)
    missing = outlines.area(circle) - outlines.area(cut)
    assert outlines.area(flap) == pytest.approx(missing, rel=0.02)


def test_a_koilocyte_with_a_halo_is_paler_about_the_nucleus_than_at_the_rim(phantom: Phantom) -> None:
    haloed = [cell for cell in cells(phantom, "Koilocytotic", 40) if cell.look.halo > 0.5]
    assert len(haloed) > 10
    for cell in haloed[:5]:
        laid = cell.at(np.array([400.0, 400.0]))
        amounts = np.zeros((800, 800, 4), np.float32)
        paint_cell(amounts, laid, scale=1.0, defocus=0.0, rng=np.random.default_rng(2))
        counterstain = amounts[..., 1:].sum(axis=2)
        assert laid.halo is not None
        whole, halo, nucleus = (
            reference_fill(polygon, (800, 800)) > 0 for polygon in (laid.cytoplasm, laid.halo, laid.nucleus)
        )
        assert counterstain[halo & ~nucleus].mean() < 0.75 * counterstain[whole & ~halo].mean()


def test_dyes_absorb_one_after_the_other() -> None:
    bath = prepare_bath(0.2, 0.1, 0.5, np.random.default_rng(0))
    one, other = np.random.default_rng(1).random((2, 6, 5, 4), dtype=np.float32)
    np.testing.assert_allclose(bath.density(one + other), bath.density(one) + bath.density(other), rtol=1e-5)


@pytest.mark.parametrize("length", [1.0, 3.0, 11.0])
def test_noise_has_zero_mean_and_unit_variance(length: float) -> None:
    for make in (smooth_noise, fractal_noise):
        field = make((400, 500), length, np.random.default_rng(3))
        assert field.shape == (400, 500)
        assert abs(field.mean()) < 0.1
        assert field.std() == pytest.approx(1, abs=0.12)


def test_noise_finer_than_a_pixel_fades() -> None:
    assert smooth_noise((200, 200), 0.3, np.random.default_rng(3)).std() == pytest.approx(0.3, abs=0.02)
