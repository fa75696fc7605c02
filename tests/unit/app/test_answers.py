"""What the page shows of an image, without a browser."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from cytopipe.app import cell, render
from cytopipe.app.detectors import choices
from cytopipe.app.worker import Worker
from cytopipe.errors import CytopipeError
from cytopipe.explain.attribution import BLACK, GRAD_CAM, GUIDED
from cytopipe.inference.predictor import Predictor

CPU = torch.device("cpu")


@pytest.fixture
def models(made: ModuleType, tmp_path: Path) -> Path:
    return made.make_models(tmp_path / "models")


@pytest.fixture
def image(made: ModuleType, tmp_path: Path) -> Path:
    file = tmp_path / "cell.png"
    Image.fromarray(made.draw_field()[:85, :65]).save(file)
    return file


def test_the_numbers_are_the_predictors(models: Path, image: Path) -> None:
    predictor = Predictor.load(models / "classifiers/masks", CPU)
    (expected,) = predictor([np.asarray(Image.open(image))])
    found = cell.answer(predictor, image, None)
    assert np.array_equal(found.prediction.probabilities, expected.probabilities)
    assert max(found.calibrated) == expected.confidence and sum(found.calibrated) == pytest.approx(1)
    assert found.size == (85, 65) and found.picture.shape == (384, 294, 3)
    assert found.heat is None and found.no_heat is None


@pytest.mark.parametrize("method", [BLACK, GRAD_CAM])
def test_a_heat_map_is_as_large_as_its_picture(models: Path, image: Path, method: str) -> None:
    found = cell.answer(Predictor.load(models / "classifiers/masks", CPU), image, method)
    assert found.heat is not None and found.heat.shape == found.picture.shape
    assert np.ptp(found.heat.astype(int) - found.heat[..., :1], axis=2).any()  # colours over grey


def test_a_method_that_does_not_apply_is_told(models: Path, image: Path) -> None:
    predictor = Predictor.load(models / "classifiers/masks", CPU)
    predictor.model = torch.nn.Sequential(predictor.model, torch.nn.GELU())  # GUIDED wants ReLU alone
    found = cell.answer(predictor, image, GUIDED)
    assert found.heat is None and found.no_heat


def test_names_are_escaped_and_places_on_this_machine_not_told(models: Path, image: Path) -> None:
    found = cell.answer(Predictor.load(models / "classifiers/colours", CPU), image, None)
    html = render.cell(found, "<script>.png", None)
    assert "good &lt;b&gt;" in html and "<b>" not in html and "<script>" not in html
    told = render.fault(CytopipeError("broken", where=image, hint="set bad_images: skip"), image)
    assert "cell.png:</strong> broken." in told and str(image.parent) not in told and "bad_images" not in told
    told = render.fault(CytopipeError("damaged", where=models, hint="restore it"), image)
    assert str(models) in told and "Restore it." in told


def test_an_unforeseen_error_is_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    told = render.fault(ZeroDivisionError("by <zero>"))
    assert "ZeroDivisionError: by &lt;zero&gt;" in told and 'role="alert"' in told
    assert "ZeroDivisionError" in caplog.text


def test_one_request_at_a_time_with_the_threads_of_the_training(
    models: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, busy, most, threads = Worker(CPU), [0], [0], set()

    def slow(predictor: Predictor, file: Path, method: str | None) -> None:
        busy[0] += 1
        most[0] = max(most[0], busy[0])
        threads.add(torch.get_num_threads())
        time.sleep(0.05)
        busy[0] -= 1

    monkeypatch.setattr(cell, "answer", slow)
    workers = [
        threading.Thread(target=worker.ask, args=(models / "classifiers" / name, None, image))
        for name in ("masks", "colours") * 3
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert most == [1] and threads == {1}


def test_files_of_a_field_are_removed_when_they_are_old(made: ModuleType, models: Path, tmp_path: Path) -> None:
    file = tmp_path / "field.png"
    Image.fromarray(made.draw_field()).save(file)
    worker = Worker(CPU)
    worker.folder, worker.keep = tmp_path / "fields", 60
    (detector,) = choices([], models / "classifiers")
    first = worker.screen(models / "classifiers/masks", detector, file)
    assert first.tally.cells == len(made.CELLS) and first.size == (180, 250)
    assert [path.name for path in first.files.values()] == ["field.csv", "field.geojson", "field.png"]
    os.utime(first.files[".csv"].parent, (0, 0))
    second = worker.screen(models / "classifiers/masks", detector, file)
    assert not first.files[".csv"].exists() and all(path.is_file() for path in second.files.values())
