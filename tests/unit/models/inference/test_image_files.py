"""Rows of image files: reused from an earlier run, computed anew, or with an error."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from cytopipe.core.io.hashing import sha256_file
from cytopipe.data.imaging.decode import read_rgb
from cytopipe.models.inference.image_files import FilePredictor
from cytopipe.models.inference.prediction_table import Row
from cytopipe.models.inference.predictor import Prediction, Predictor

CPU = torch.device("cpu")


@pytest.fixture
def predictor(tmp_path: Path, save_classifier: Callable[..., Path]) -> Predictor:
    predictor = Predictor.load(save_classifier(tmp_path / "model"), CPU)
    predictor.batch_size = 4
    return predictor


@pytest.fixture
def images(tmp_path: Path, save_image: Callable[..., np.ndarray]) -> list[str]:
    names = [str(tmp_path / f"cells/{number}.png") for number in range(10)]
    for seed, name in enumerate(names):
        save_image(Path(name), seed, (20 + seed, 31))
    return names


def rows_of(work: FilePredictor, images: list[str]) -> list[Row]:
    return [row for rows, _ in work(images) for row in rows]


def test_rows_are_the_predictions_of_the_images(predictor: Predictor, images: list[str]) -> None:
    found = list(predictor(read_rgb(Path(name))[0] for name in images))
    rows = rows_of(FilePredictor(predictor, "m"), images)
    assert [row["image"] for row in rows] == images
    assert [row["p_bad"] for row in rows] == [f"{one.probabilities[0]:.6g}" for one in found]
    assert [row["uncertain"] == "true" for row in rows] == [one.uncertain for one in found]
    assert [row["sha256"] for row in rows] == [sha256_file(Path(name)) for name in images]


def test_an_unreadable_image_gives_a_row_and_does_not_change_the_others(
    predictor: Predictor, images: list[str]
) -> None:
    broken = images[1]
    Path(broken).write_bytes(b"no image")
    rows = rows_of(FilePredictor(predictor, "m"), [*images, "gone.png"])
    assert [row["error"] for row in rows if row["error"]] == ["the file is not an image", "no such image"]
    assert rows[1]["sha256"] == sha256_file(Path(broken)) and rows[-1]["sha256"] == ""
    company = [images[0], *images[2:4]]
    found = list(predictor(read_rgb(Path(name))[0] for name in company))
    assert [rows[place]["p_bad"] for place in (0, 2, 3)] == [f"{one.probabilities[0]:.6g}" for one in found]


def test_complete_batches_of_unchanged_files_are_reused(predictor: Predictor, images: list[str]) -> None:
    earlier = {row["image"]: {**row, "predicted": "earlier"} for row in rows_of(FilePredictor(predictor, "m"), images)}
    del earlier[images[9]]  # of the third batch
    shutil.copy(images[0], images[5])  # of the second
    told: list[str] = []

    def tell(image: str, sha256: str, found: Prediction) -> None:
        assert sha256 == sha256_file(Path(image))
        told.append(image)

    work = FilePredictor(predictor, "m", earlier, on_predicted=tell)
    assert [(len(rows), is_new) for rows, is_new in work(images)] == [(4, False), (4, True), (2, True)]
    assert [row["predicted"] == "earlier" for row in rows_of(work, images)] == [True] * 4 + [False] * 6
    assert told[:6] == images[4:]
    Path(images[2]).unlink()
    assert rows_of(work, images)[2]["error"] == "no such image"


def test_a_batch_without_its_overlays_is_computed_again(predictor: Predictor, images: list[str]) -> None:
    earlier = {row["image"]: row for row in rows_of(FilePredictor(predictor, "m"), images)}
    work = FilePredictor(predictor, "m", earlier, complete=lambda image, sha256: image != images[4])
    assert [is_new for _, is_new in work(images)] == [False, True, False]


def test_memory_holds_few_images_of_a_batch(predictor: Predictor, images: list[str]) -> None:
    predictor.batch_size = 64
    alive, most = 0, 0

    class Image(np.ndarray):
        def __del__(self) -> None:
            nonlocal alive
            alive -= self.base is None

    def read() -> Iterator[np.ndarray]:
        nonlocal alive, most
        for _ in range(64):
            alive += 1
            most = max(most, alive)
            yield Image((30, 30, 3), np.uint8)

    assert len(list(predictor(read()))) == 64
    assert most < 20
