"""Small models with random weights for the tests of the commands that use models, and images for them.

`colours` sees no masks, is sure of everything and has a class with a hostile name; `masks` sees the masks of the
segmenter `otsu` in its folder, and is sure of little.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from cytopipe.models.bundle import copy_segmenter, example_images
from cytopipe.models.folder import save_model
from cytopipe.models.registry import build
from cytopipe.results.model_spec import ModelSpec

SIDE = 24
HOSTILE = "good <b>"
CLASSES = ("bad", HOSTILE)
CELLS = ((40, 45), (120, 40), (200, 50), (50, 130), (130, 140), (205, 125))  # x, y in a field


def make_models(folder: Path) -> Path:
    """Write segmenters/otsu, classifiers/colours and classifiers/masks into a folder; returns it."""
    segmenter = folder / "segmenters/otsu"
    view = {"view": "tiles", "input_size": 64, "scale": 1.0}
    save_model(segmenter, build("otsu"), _spec("segmentation", "otsu", {}, ("cyt", "nuc"), "rgb", view=view))
    items = np.random.default_rng(8).integers(0, 256, (2, SIDE, SIDE, 5), np.uint8)
    for name, channels, rule in (
        ("colours", "rgb", {"temperature": 0.001, "confidence_threshold": 0.5}),
        ("masks", "rgb+masks", {"temperature": 2.0, "confidence_threshold": 0.9999, "abnormal": ["bad"]}),
    ):
        count = 3 if channels == "rgb" else 5
        arguments = {"num_classes": len(CLASSES), "in_channels": count, "input_size": SIDE}
        own = {"decision_rule": rule, "num_threads": 1}
        spec = _spec("classification", "cell_background", arguments, CLASSES, channels, **own)
        torch.manual_seed(count)
        target = folder / "classifiers" / name
        save_model(target, build("cell_background", **arguments), spec, example_images(items, [0, 1]))
        if channels != "rgb":
            copy_segmenter(segmenter, target / "segmenter")
    return folder


def _spec(
    task: str, architecture: str, arguments: dict[str, int], classes: tuple[str, ...], channels: str, **own: object
) -> ModelSpec:
    count = 3 if channels == "rgb" else 5
    given = {
        "task": task,
        "architecture": architecture,
        "arguments": arguments,
        "classes": classes,
        "channels": channels,
        "input_size": SIDE,
        "mean": (0.5,) * count,
        "std": (0.25,) * count,
        "training_data_sha256": "0" * 64,
        **own,
    }
    return ModelSpec.model_validate(given)


def draw_field() -> np.ndarray:
    """180 x 250 x 3 uint8: a cell with its nucleus at each of CELLS, dark on bright."""
    field = np.full((180, 250, 3), 225, np.uint8)
    for centre in CELLS:
        cv2.circle(field, centre, 22, (150, 120, 160), cv2.FILLED)
        cv2.circle(field, centre, 8, (60, 30, 80), cv2.FILLED)
    return field
