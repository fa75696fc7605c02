from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from cytopipe.data.mask_checks import look_at, misfit, say_masks
from cytopipe.errors import CytopipeError


def test_what_a_mask_looks_like() -> None:
    inside = np.zeros((9, 9), np.uint8)
    inside[3:6, 3:6] = 1
    assert look_at(inside, turned=False) == ()
    assert look_at(1 - inside, turned=False) == ("inverted",)
    assert look_at(inside * 0, turned=True) == ("empty", "turned")
    assert look_at(inside * 0 + 1, turned=False) == ()  # a crop within the cell


def test_a_misfit_names_exif_if_that_explains_it() -> None:
    assert "EXIF" in str(misfit((30, 40), (40, 30), True, Path("a.jpg")))
    for mask, turned in (((30, 40), False), ((31, 40), True)):
        error = str(misfit(mask, (40, 30), turned, Path("a.jpg")))
        assert "EXIF" not in error and "the mask is 40 x 3" in error


def test_what_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "cytopipe"):
        say_masks({}, 9)
        say_masks({"a": ()}, 1)
        assert caplog.text == ""
        say_masks({"a": ("empty",), "b": ("inverted", "turned"), "c": ()}, 4)
    assert "3 of 4 images have a true mask" in caplog.text
    assert "1 masks are empty" in caplog.text and "1 images with a mask are turned" in caplog.text
    assert "inverted?" not in caplog.text  # of one in three, the cell may well touch the border
    with pytest.raises(CytopipeError, match="a: every one of the 1 masks is empty"):
        say_masks({"a": ("empty",)}, 2)
