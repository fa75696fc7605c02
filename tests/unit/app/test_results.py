"""Results of the app for cells and fields, without a browser."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cytopipe.app import cell, render
from cytopipe.app.detectors import detector_choices
from cytopipe.app.worker import Worker
from cytopipe.errors import CytopipeError
from cytopipe.explain.attribution import BLACK, GRAD_CAM, GUIDED
from cytopipe.models.inference.predictor import Predictor
from made_models import CELLS, draw_field, make_models

CPU = torch.device("cpu")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return make_models(tmp_path / "models")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    file = tmp_path / "cell.png"
    Image.fromarray(draw_field()[:85, :65]).save(file)
    return file


def test_the_numbers_are_the_predictors(models: Path, image: Path) -> None:
    predictor = Predictor.load(models / "classifiers/masks", CPU)
    (expected,) = predictor([np.asarray(Image.open(image))])
    found = cell.classify_cell(predictor, image, None)
    assert np.array_equal(found.prediction.probabilities, expected.probabilities)
    assert max(found.calibrated) == expected.confidence and sum(found.calibrated) == pytest.approx(1)
    assert found.size == (85, 65) and found.picture.shape == (384, 294, 3)
    assert found.heatmap is None and found.no_heatmap is None


@pytest.mark.parametrize("method", [BLACK, GRAD_CAM])
def test_a_heat_map_is_as_large_as_its_picture(models: Path, image: Path, method: str) -> None:
    found = cell.classify_cell(Predictor.load(models / "classifiers/masks", CPU), image, method)
    assert found.heatmap is not None and found.heatmap.shape == found.picture.shape
    assert np.ptp(found.heatmap.astype(int) - found.heatmap[..., :1], axis=2).any()  # colours over grey


def test_a_method_that_does_not_apply_is_reported(models: Path, image: Path) -> None:
    predictor = Predictor.load(models / "classifiers/masks", CPU)
    predictor.model = torch.nn.Sequential(predictor.model, torch.nn.GELU())  # GUIDED supports only ReLU
    found = cell.classify_cell(predictor, image, GUIDED)
    assert found.heatmap is None and found.no_heatmap


def test_names_are_escaped_and_local_paths_hidden(models: Path, image: Path) -> None:
    found = cell.classify_cell(Predictor.load(models / "classifiers/colours", CPU), image, None)
    html = render.cell(found, "<script>.png", None)
    assert "good &lt;b&gt;" in html and "<b>" not in html and "<script>" not in html
    html = render.error_message(CytopipeError("broken", where=image, hint="set bad_images: skip"), image)
    assert "cell.png:</strong> broken." in html and str(image.parent) not in html and "bad_images" not in html
    html = render.error_message(CytopipeError("damaged", where=models, hint="restore it"), image)
    assert str(models) in html and "Restore it." in html


def test_an_unexpected_error_is_reported_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    html = render.error_message(ZeroDivisionError("by <zero>"))
    assert "ZeroDivisionError: by &lt;zero&gt;" in html and 'role="alert"' in html
    assert "ZeroDivisionError" in caplog.text


def test_one_request_at_a_time_with_the_threads_of_the_training(
    models: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, running, at_once, torch_threads = Worker(CPU), [0], [], []

    def slow(predictor: Predictor, file: Path, method: str | None) -> None:
        running[0] += 1
        at_once.append(running[0])
        torch_threads.append(torch.get_num_threads())
        time.sleep(0.05)
        running[0] -= 1

    monkeypatch.setattr(cell, "classify_cell", slow)
    requests = [
        threading.Thread(target=worker.classify, args=(models / "classifiers" / name, None, image))
        for name in ("masks", "colours") * 3
    ]
    for request in requests:
        request.start()
    for request in requests:
        request.join()
    assert at_once == torch_threads == [1] * 6


def test_files_of_a_field_are_removed_when_they_are_old(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "field.png"
    Image.fromarray(draw_field()).save(file)
    worker = Worker(CPU)
    worker.folder, worker.keep = tmp_path / "fields", 60
    (detector,) = detector_choices([], models / "classifiers")
    first = worker.screen(models / "classifiers/masks", detector, file)
    assert first.tally.cells == len(CELLS) and first.size == (180, 250)
    assert [path.name for path in first.files.values()] == [
        "field.csv",
        "field.geojson",
        "field.png",
        "field.coco.json",
    ]
    os.utime(first.files[".csv"].parent, (0, 0))
    second = worker.screen(models / "classifiers/masks", detector, file)
    assert not first.files[".csv"].exists() and all(path.is_file() for path in second.files.values())
