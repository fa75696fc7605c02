from __future__ import annotations

import numpy as np
import pytest

from cytopipe.explain.regions import areas, palette, shares, summarise

# Two rows of background, one of cytoplasm, one of nucleus.
MASK = np.repeat(np.array([0, 0, 1, 2], np.uint8)[:, None], 4, axis=1)


def test_the_palette_of_a_stored_item() -> None:
    item = np.zeros((4, 4, 5), np.uint8)
    item[2:, :, 3] = 255
    item[3, :, 4] = 255
    assert np.array_equal(palette(item), MASK)


def test_shares_count_either_sign_and_sum_to_one() -> None:
    weights = np.zeros((4, 4))
    weights[0, 0], weights[2, 1], weights[3, 3] = 1.0, -2.0, 5.0
    assert shares(weights, MASK) == {"nucleus": 0.625, "cytoplasm": 0.25, "background": 0.125}


def test_even_weights_fall_by_area() -> None:
    assert shares(np.full((4, 4), -0.3), MASK) == pytest.approx(areas(MASK))
    assert areas(MASK) == {"nucleus": 0.25, "cytoplasm": 0.25, "background": 0.5}


def test_no_attribution_has_no_shares() -> None:
    assert shares(np.zeros((4, 4)), MASK) is None


def one(nucleus: float) -> dict[str, float]:
    return {"nucleus": nucleus, "cytoplasm": 1 - nucleus, "background": 0.0}


def test_means_leave_out_what_has_no_shares() -> None:
    values = [one(0.2), one(0.4), None, one(0.6), one(0.3), one(0.5)]
    found = summarise([*values, one(0.4)], list("abcdefg"))
    assert found["nucleus"]["mean"] == pytest.approx(0.4)
    low, high = found["nucleus"]["low"], found["nucleus"]["high"]
    assert low is not None and high is not None and 0.2 < low < 0.3 and 0.5 < high < 0.6
    assert found["background"]["mean"] == found["background"]["low"] == 0.0


def test_images_of_one_group_are_not_independent() -> None:
    values = [one(v) for v in (0.1, 0.12, 0.11, 0.5, 0.52, 0.51, 0.3, 0.31, 0.2, 0.7)]
    by_group = summarise(values, list("aaabbbccde"))["nucleus"]
    by_image = summarise(values, list("abcdefghij"))["nucleus"]
    assert by_group["high"] is not None and by_image["high"] is not None
    assert by_group["high"] > by_image["high"]


def test_a_single_group_has_no_interval_and_no_image_no_mean() -> None:
    assert summarise([one(0.5)], ["a"])["nucleus"] == {"mean": 0.5, "low": None, "high": None}
    assert summarise([None], ["a"])["nucleus"] == {"mean": None, "low": None, "high": None}
