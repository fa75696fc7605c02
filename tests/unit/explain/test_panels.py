from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageColor

from cytopipe.data.imaging.drawing import REGION_COLOURS, fitted, font, heat, outlined, overlaid
from cytopipe.explain.names import METHOD_COLOURS, TITLES
from cytopipe.explain.panels import BAR, EDGE, GAP, HEADING, TILE, TITLE, panel

MASK = np.zeros((16, 16), np.uint8)
MASK[2:14, 2:14], MASK[6:10, 6:10] = 1, 2
IMAGE = np.full((16, 16, 3), 120, np.uint8)
METHODS = ("integrated_gradients", "grad_cam")


def draw(title: str = "cell, recognised", shares: dict[str, dict[str, float]] | None = None) -> Image.Image:
    maps = {method: np.random.default_rng(0).normal(size=(16, 16)) for method in METHODS}
    return panel(IMAGE, MASK, maps, shares or {}, title, "image_01", True)


def test_a_panel_has_a_column_for_the_input_and_each_method() -> None:
    found = draw()
    assert found.size == (2 * EDGE + 3 * TILE + 2 * GAP, 2 * EDGE + TITLE + HEADING + 2 * TILE + 2 * GAP + BAR)
    pixels = np.asarray(found)
    assert (pixels[EDGE + TITLE + HEADING + 5, EDGE + 5] == 120).all()  # the input, as it is


def test_a_panel_is_the_same_every_time() -> None:
    assert draw().tobytes() == draw().tobytes()


def test_the_bar_shows_the_shares() -> None:
    shares = {"grad_cam": {"nucleus": 0.25, "cytoplasm": 0.5, "background": 0.25}}
    pixels = np.asarray(draw(shares=shares))
    left, y = EDGE + 2 * (TILE + GAP), pixels.shape[0] - EDGE - BAR // 2
    for place, region in ((0.1, "nucleus"), (0.5, "cytoplasm"), (0.9, "background")):
        assert tuple(pixels[y, left + int(place * TILE)]) == ImageColor.getrgb(REGION_COLOURS[region])
    assert (pixels[y, EDGE + 5] == 255).all()  # no shares of pixels were given


def test_a_map_without_attribution_says_so() -> None:
    drawn = panel(IMAGE, MASK, {"grad_cam": -np.ones((16, 16))}, {}, "a", "b", False)
    left, top = EDGE + TILE + GAP, EDGE + TITLE + HEADING
    tile = np.asarray(drawn)[top : top + TILE, left : left + TILE]
    assert (tile[:40] < 10).all() and (tile[60:90] > 200).any()


def test_long_names_are_cut_and_non_ascii_letters_are_drawn() -> None:
    assert draw("x" * 500).size == draw().size
    assert fitted("x" * 500, 12, False, 60).endswith("…")
    assert font(12, False).getlength(fitted("x" * 500, 12, False, 60)) <= 60
    assert draw("Übergang, <b>α</b>").tobytes() != draw("Übergang, <b>β</b>").tobytes()


def test_heat_is_the_positive_part_clipped_at_its_99th_percentile() -> None:
    weights = np.arange(-100.0, 101.0).reshape(1, -1)
    found = heat(weights)
    limit = np.percentile(np.arange(1, 101), 99)
    np.testing.assert_allclose(found[0], np.clip(weights[0] / limit, 0, 1), rtol=1e-6)
    assert not heat(np.full((3, 3), -1.0)).any()


def test_outlines_run_along_the_edges_of_cell_and_nucleus() -> None:
    large = np.zeros((160, 160, 3), np.uint8)
    found = outlined(large, MASK)
    assert not large.any()
    for region, edge, inside in (("cytoplasm", 20, 40), ("nucleus", 60, 80)):
        assert tuple(found[80, edge]) == pytest.approx(ImageColor.getrgb(REGION_COLOURS[region]), abs=3)
        assert not found[80, inside].any()


def test_an_overlay_is_the_image_where_there_is_no_heat() -> None:
    grey = np.full((4, 4, 3), 90, np.uint8)
    strength = np.zeros((4, 4), np.float32)
    strength[0, 0] = 1
    found = overlaid(grey, strength)
    assert (found[1:] == 90).all() and found[0, 0, 0] > 200


def test_every_method_has_a_title_and_a_colour() -> None:
    from cytopipe.explain.attribution import METHODS as ALL

    assert {*ALL, "random"} == TITLES.keys() == METHOD_COLOURS.keys()
