from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytopipe.audit.figures import boxed, gallery, pairs_figure, probe_figure, short
from cytopipe.audit.linear_probe import ProbeResult


def test_an_image_is_fitted_into_its_box_whole() -> None:
    red = np.zeros((10, 40, 3), np.uint8)
    red[..., 0] = 255
    box = boxed(red)
    assert box.shape == (160, 160, 3)
    assert (box == (255, 0, 0)).all(axis=2).sum() == 160 * 40
    assert boxed(np.zeros((1, 900, 3), np.uint8)).shape == (160, 160, 3)


def test_long_names_lose_their_middle() -> None:
    assert short("a" * 30) == "a" * 30
    name = short("first" + "x" * 60 + "last")
    assert len(name) == 30
    assert name.startswith("first") and name.endswith("last")


@pytest.mark.parametrize("count", [1, 3, 30])
def test_pairs_of_any_number_and_name_are_drawn_the_same_each_time(count: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pair = (rng.integers(0, 256, (20, 30, 3), np.uint8), rng.integers(0, 256, (30, 20, 3), np.uint8), "$a_{", "b\ntest")
    for name in ("a.png", "b.png"):
        pairs_figure(tmp_path / name, [pair] * count)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert Image.open(tmp_path / "a.png").size[0] > 800


def test_bars_are_red_where_a_probe_fails(tmp_path: Path) -> None:
    good = ProbeResult(accuracy=0.9, low=0.8, high=0.95, chance=0.5, p=0.005, images=100, units=20)
    shown = gallery([[np.zeros((9, 9, 3), np.uint8)] * 3] * 2)
    for verdict in ("ok", "fail"):
        bars = {"everything": (good, "reference"), "background": (good, verdict)}
        probe_figure(tmp_path / f"{verdict}.png", bars, shown, "title")
    red = {
        name: (np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")) == (0xC8, 0x55, 0x3D)).all(axis=2).sum()
        for name in ("ok", "fail")
    }
    assert red["ok"] == 0
    assert red["fail"] > 1000
