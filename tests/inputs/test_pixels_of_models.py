"""A model reads new images as those of its training were read: predict, screen, the page, MLflow, ONNX."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from PIL import Image
from typer.testing import CliRunner

from cytopipe.app.cell import classify_cell
from cytopipe.cli import app
from cytopipe.core.params import Reading
from cytopipe.data.imaging.decode import encode_png, read_rgb
from cytopipe.data.imaging.fields import open_field
from cytopipe.deploy.mlflow.classifier import CellClassifier
from cytopipe.deploy.onnx.export import example_paths, open_source, to_checked_onnx
from cytopipe.errors import CytopipeError
from cytopipe.models.bundle import example_images
from cytopipe.models.folder import load_model, save_model
from cytopipe.models.inference.predictor import Predictor
from cytopipe.models.usage import usage
from cytopipe.screening.patch_detector import PatchDetector
from cytopipe.screening.screen import field_reading
from made_models import SIDE, make_models

TWELVE = Reading(range=(0, 4095), eight_bit=False)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`plain` was trained on 8-bit images, `twelve` on those of a 12-bit camera, `green` on one channel."""
    folder = tmp_path_factory.mktemp("models")
    model, spec = load_model(make_models(folder) / "classifiers/colours")
    items = np.random.default_rng(8).integers(0, 256, (2, SIDE, SIDE, 5), np.uint8)
    for name, reading in (("plain", None), ("twelve", TWELVE), ("green", Reading(channels=(1,)))):
        examples = example_images(items, [0, 1], prepared=reading is not None)
        save_model(folder / name, model, spec.model_copy(update={"reading": reading}), examples)
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cell as a camera of 12 bits gives it, as 8 bits, and as 16 that are full."""
    folder = tmp_path_factory.mktemp("images")
    values = np.random.default_rng(3).integers(0, 4096, (SIDE, SIDE), np.uint16)
    values[0, :2] = 0, 4095
    tifffile.imwrite(folder / "twelve.tif", values)
    grey = np.round(values * (255 / 4095)).astype(np.uint8)
    Image.fromarray(grey).save(folder / "eight.png")
    (folder / "prepared.png").write_bytes(encode_png(np.stack([grey] * 3, axis=2), prepared=True))
    tifffile.imwrite(folder / "full.tif", grey.astype(np.uint16) * 257)
    tifffile.imwrite(folder / "sixteen.tif", values.astype(np.uint16) * 16)
    return folder


def predicted(model: Path, image: Path, *options: str) -> dict[str, str]:
    result = CliRunner().invoke(app, ["predict", str(model), str(image), "--device", "cpu", *options])
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    return row


def probability(row: dict[str, str]) -> str:
    assert row["error"] == "", row["error"]
    return row["p_bad"]


def test_deep_values_are_scaled_by_the_range_of_the_training(models: Path, images: Path) -> None:
    expected = probability(predicted(models / "plain", images / "eight.png"))
    assert probability(predicted(models / "twelve", images / "twelve.tif")) == expected
    assert probability(predicted(models / "twelve", images / "prepared.png")) == expected
    assert probability(predicted(models / "twelve", images / "eight.png", "--range", "0,255")) == expected
    assert probability(predicted(models / "plain", images / "full.tif")) == expected
    assert probability(predicted(models / "plain", images / "twelve.tif", "--range", "0,4095")) == expected


@pytest.mark.parametrize(
    ("model", "image", "said"),
    [
        ("twelve", "eight.png", "the image has 8 bits, and the model was trained on values 0 to 4095 of deeper ones"),
        ("twelve", "sixteen.tif", "lie outside the range 0 to 4095"),
        ("plain", "twelve.tif", "16-bit values up to 4095, and the model was trained on 8-bit images"),
    ],
)
def test_what_does_not_fit_the_training_is_an_error(
    model: str, image: str, said: str, models: Path, images: Path
) -> None:
    row = predicted(models / model, images / image)
    assert said in row["error"] and row["p_bad"] == ""


@pytest.mark.parametrize("given", ["5", "a,b", "9,9", "4095,0", "0,1,2"])
def test_a_range_that_is_none(given: str, models: Path, images: Path) -> None:
    result = CliRunner().invoke(app, ["predict", str(models / "plain"), str(images / "eight.png"), "--range", given])
    assert result.exit_code == 1
    assert f"'{given}' is no range" in result.stderr


def test_rows_of_another_range_are_not_kept(models: Path, images: Path, tmp_path: Path) -> None:
    images_and_out = [str(images / "twelve.tif"), "--out", str(tmp_path / "rows.csv"), "--device", "cpu"]
    command = ["predict", str(models / "plain"), *images_and_out, "--range"]
    assert CliRunner().invoke(app, [*command, "0,4095"]).exit_code == 0
    first = (tmp_path / "rows.csv").read_text()
    assert CliRunner().invoke(app, [*command, "0,8191", "--force"]).exit_code == 0
    assert (tmp_path / "rows.csv").read_text().split(",p_bad")[1:] != first.split(",p_bad")[1:]


def test_channels_are_picked_as_in_the_training(models: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "colours.png")
    Image.fromarray(pixels[..., 1]).save(tmp_path / "green.png")
    expected = probability(predicted(models / "plain", tmp_path / "green.png"))
    assert probability(predicted(models / "green", tmp_path / "colours.png")) == expected


def test_the_page_and_mlflow_read_alike(models: Path, images: Path) -> None:
    predictor = Predictor.load(models / "twelve", CPU)
    expected = float(predicted(models / "twelve", images / "twelve.tif")["p_bad"])
    on_page = classify_cell(predictor, images / "twelve.tif", None)
    assert on_page.prediction.probabilities[0] == pytest.approx(expected, abs=1e-6)
    assert on_page.note == "16-bit to 8-bit"
    frame = pd.DataFrame({"image": [(images / name).read_bytes() for name in ("twelve.tif", "eight.png")]})
    rows = CellClassifier(predictor).predict(frame)
    assert rows["p_bad"][0] == pytest.approx(expected, abs=1e-6)
    assert "the image has 8 bits" in rows["error"][1]
    with pytest.raises(CytopipeError, match="the image has 8 bits"):
        classify_cell(predictor, images / "eight.png", None)


def test_fields_are_read_alike(models: Path, images: Path) -> None:
    predictor = Predictor.load(models / "twelve", CPU)
    expected = read_rgb(images / "twelve.tif", TWELVE)[0]
    with open_field(images / "twelve.tif", predictor.reading) as field:
        assert np.array_equal(field.read(0, 0, field.height, field.width), expected)
    with pytest.raises(CytopipeError, match="the image has 8 bits"), open_field(images / "eight.png", TWELVE):
        pass


@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_big_fields_are_read_alike(dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cytopipe.data.imaging.fields.WHOLE", 100)
    values = np.random.default_rng(0).integers(0, 4096, (40, 30)).astype(dtype)
    tifffile.imwrite(tmp_path / "big.tif", values)
    with open_field(tmp_path / "big.tif", TWELVE) as field:
        assert np.array_equal(field.read(0, 0, 40, 30), read_rgb(tmp_path / "big.tif", TWELVE)[0])
    colours = np.random.default_rng(0).integers(0, 4096, (40, 30, 3)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "colours.tif", colours, photometric="rgb")
    with open_field(tmp_path / "colours.tif", TWELVE) as field:
        assert np.array_equal(field.read(0, 0, 40, 30), read_rgb(tmp_path / "colours.tif", TWELVE)[0])
    with (
        pytest.raises(CytopipeError, match="lie outside"),
        open_field(tmp_path / "big.tif", Reading(range=(5000, 6000))),
    ):
        pass


def test_a_big_8_bit_field_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cytopipe.data.imaging.fields.WHOLE", 100)
    for name in ("field.bmp", "field.png"):
        Image.new("RGB", (40, 30)).save(tmp_path / name)
        with pytest.raises(CytopipeError, match="the image has 8 bits"), open_field(tmp_path / name, TWELVE):
            pass


def test_a_detector_and_a_classifier_must_read_alike(models: Path) -> None:
    twelve, plain = Predictor.load(models / "twelve", CPU), Predictor.load(models / "plain", CPU)

    class Detector:
        reading = Reading(range=(0, 1023), eight_bit=False)

    assert field_reading(Detector(), None).range == (0, 1023)  # type: ignore[arg-type]
    with pytest.raises(CytopipeError, match=r"range \(0.0, 1023.0\), and the classifier of \(0.0, 4095.0\)"):
        field_reading(Detector(), twelve)  # type: ignore[arg-type]
    Detector.reading = Reading()
    assert field_reading(Detector(), twelve).range == (0, 4095)  # type: ignore[arg-type]
    assert field_reading(Detector(), plain).range is None  # type: ignore[arg-type]
    with pytest.raises(CytopipeError, match="no classifier of RGB patches"):
        PatchDetector(models / "twelve", CPU)


def test_an_export_states_the_range_and_is_checked_on_the_examples(models: Path) -> None:
    source = open_source(models / "twelve")
    exported = to_checked_onnx(source, models / "twelve", example_paths(models / "twelve"))
    assert json.loads(exported.metadata["reading"])["range"] == [0, 4095]
    assert "values 0 to 4095 become 0 to 255, rounded and clipped" in source.description
    assert "reading" not in open_source(models / "plain").metadata


def test_the_readme_of_a_model_states_the_range(models: Path) -> None:
    _, spec = load_model(models / "twelve")
    assert "values 0 to 4095 become 0 to 255 in all of them" in usage("twelve", spec)
    _, spec = load_model(models / "plain")
    assert "more than 8 bits" not in usage("plain", spec)
