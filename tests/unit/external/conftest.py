"""A small project: a classifier with its segmenter, its internal test, and the dataset of another laboratory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cytopipe import paths
from cytopipe.core.io.atomic import write_bytes
from cytopipe.core.io.hashing import sha256_bytes
from cytopipe.data.imaging.decode import encode_png
from cytopipe.data.imaging.masks import encode_mask
from cytopipe.data.manifest import Row, write_manifest
from cytopipe.external.sides import Side
from cytopipe.results.predictions import Predictions
from fixture_types import MakeSide, SaveClassifier
from made_results import classifier_details, dataset_summary

SPLITS = ("train", "val", "test")


def cell(radius: int) -> np.ndarray:
    """The mask of a round cell with a nucleus in an image of 26 x 30 pixels."""
    down, right = np.ogrid[:26, :30]
    distance = np.hypot(down - 13, right - 15)
    mask: np.ndarray = (distance < radius).astype(np.uint8) + (distance < radius / 2).astype(np.uint8)
    return mask


@pytest.fixture
def make_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeSide:
    """Write an organized dataset of 8 groups into the working folder: two images of each class and group."""
    monkeypatch.chdir(tmp_path)

    def make(name: str, classes: tuple[str, ...], seed: int, prefix: str = "") -> Side:
        files, rng, rows = paths.Organized(name), np.random.default_rng(seed), list[Row]()
        for group in range(8):
            for index, label in enumerate(classes):
                for number in range(2):
                    mask = cell(6 + group % 3)
                    image = rng.integers(150 - 30 * index, 255, (26, 30, 3)).astype(np.uint8)
                    image[mask > 0] //= 2
                    one, png = f"{name}-{group}-{index}-{number}", encode_png(image)
                    split = SPLITS[group % 3]
                    write_bytes(files.folder / split / f"{one}.png", png)
                    write_bytes(files.masks / f"{one}.png", encode_mask(mask))
                    place = (f"{split}/{one}.png", label, index, split, f"{prefix}{group}", 30, 26)
                    rows.append(Row(one, *place, sha256_bytes(image.tobytes()), f"masks/{one}.png"))
        rows.sort(key=lambda row: row.id)
        write_manifest(files.manifest, rows)
        dataset_summary(name, classes, {"train": 6, "val": 6, "test": 4}, 30).write(files.summary)
        return Side.read(name)

    return make


@pytest.fixture
def home(make_side: MakeSide, save_classifier: SaveClassifier) -> Side:
    """The dataset of the classifier `c`, which was tested on it."""
    side = make_side("home", ("bad", "good"), seed=1, prefix="h")
    files = paths.classifier("c")
    save_classifier(files.model)
    for path in (files.predictions, files.details):
        path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(2)
    raised = np.array([[0.8, 0.2] if row.label == "bad" else [0.3, 0.7] for row in side.rows])
    flipped = np.where(rng.random((len(raised), 1)) < 0.2, raised[:, ::-1], raised)
    images = [(row.id, row.group, row.label) for row in side.rows]
    Predictions.of_images(("bad", "good"), images, flipped).write(files.predictions)
    classifier_details(classes=("bad", "good")).write(files.details)
    return side
