"""The tables of networks that travel are those of the file that the benchmark wrote, and that is of the log of runs."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from travel_table import MEASURED, PAGE, written

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benchmarks"))  # at the end: a benchmark is named as an installed package is
LABS = importlib.import_module("phantom_labs").LABS
travel, recipes = (importlib.import_module(name) for name in ("travel", "travel_recipes"))
MASK = np.zeros((60, 60), np.uint8)
cv2.circle(MASK, (30, 30), 14, 1, -1)
cv2.circle(MASK, (30, 30), 7, 2, -1)
IMAGE: np.ndarray = np.array([[240, 230, 150], [190, 150, 160], [90, 40, 120]], np.uint8)[MASK]


def test_the_page_shows_what_was_measured() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert written(page, ROOT) == page
    lines = [json.loads(line) for line in (ROOT / travel.LOG).read_text(encoding="utf-8").splitlines()]
    assert travel.summary(lines) == json.loads((ROOT / MEASURED).read_text(encoding="utf-8"))


def test_the_preset_has_the_recipe_that_was_measured() -> None:
    preset = yaml.safe_load((ROOT / "workflow/presets/wbc-imagenet.yaml").read_text(encoding="utf-8"))
    measured = recipes.RECIPES["all, longer"](Path("weights")).training
    assert measured is not None
    assert preset["segmenters"]["unet-imagenet"]["training"]["augment"] == measured.augment.model_dump(
        exclude_defaults=True
    )


def test_gains_are_paired_and_corrected() -> None:
    dice = {recipes.FORMER_NAME: [[0.8, 0.9]] * 9 + [[0.7, 0.9]], "new": [[0.9, 0.9]] * 9 + [[0.9, 0.9]]}
    lines = [
        {
            **{"recipe": name, "plan": "home", "trained_on": 3, "tested_on": 10, "minutes": 1, "segmenter": {}},
            **{"mean": {"lab": np.mean(of, axis=0).tolist()}, "dice": {"lab": of}},
        }
        for name, of in dice.items()
    ]
    nucleus, cell = travel.summary(lines)["gains"]
    assert nucleus["gain"] == pytest.approx(0.11) and nucleus["low"] > 0 and nucleus["p"] < 0.01
    assert (nucleus["part"], cell["part"]) == travel.PARTS and cell["gain"] == 0 and cell["p"] == 1


@pytest.mark.parametrize("lab", LABS)
def test_a_phantom_laboratory_keeps_size_and_parts_and_draws_from_its_generator(lab: str) -> None:
    image, mask = LABS[lab](IMAGE, MASK, np.random.default_rng(0))
    assert image.shape == IMAGE.shape and image.dtype == np.uint8 and mask.shape == MASK.shape
    assert set(np.unique(mask)) == {0, 1, 2}
    assert np.array_equal(LABS[lab](IMAGE, MASK, np.random.default_rng(0))[0], image)
    if lab != "as they are":
        assert not np.array_equal(image, IMAGE)
