"""Models that pad or keep a scale: files, examples, heat maps, screening and patches."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from cytopipe.cli import app
from cytopipe.core.params import Scale
from cytopipe.data.imaging.decode import encode_png, read_image
from cytopipe.data.imaging.fields import Field, open_field
from cytopipe.data.imaging.fit import Measured, place
from cytopipe.errors import CytopipeError
from cytopipe.explain.overlay import heat_over
from cytopipe.models.bundle import example_images
from cytopipe.models.folder import save_model
from cytopipe.models.inference.image_files import FilePredictor
from cytopipe.models.inference.predictor import Predictor
from cytopipe.models.registry import build
from cytopipe.models.usage import usage
from cytopipe.results.model_spec import ModelSpec
from cytopipe.screening.cells import DetectedCell
from cytopipe.screening.patch_detector import PatchDetector

SIDE = 20
CPU = torch.device("cpu")
PIXELS = Scale(kind="scale", source_pixels=2)
MICROMETRES = Scale(kind="scale", um_per_pixel=0.5)


def write_model(folder: Path, fit: Any, classes: tuple[str, str] = ("bad", "good")) -> Path:
    torch.manual_seed(1)
    arguments = {"num_classes": 2, "in_channels": 3, "input_size": SIDE}
    spec = ModelSpec.model_validate(
        {
            "task": "classification",
            "architecture": "cell_background",
            "arguments": arguments,
            "classes": classes,
            "channels": "rgb",
            "input_size": SIDE,
            "fit": fit,
            "mean": (0.5,) * 3,
            "std": (0.25,) * 3,
            "training_data_sha256": "0" * 64,
            "decision_rule": {"temperature": 1.0},
        }
    )
    save_model(folder, build("cell_background", **arguments), spec)
    return folder


def noise(height: int, width: int) -> np.ndarray:
    found: np.ndarray = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    return found


@pytest.mark.parametrize(("fit", "factor"), [("pad", 1), (PIXELS, 2), (MICROMETRES, 1)])
def test_the_examples_of_a_model_are_seen_by_it_as_they_were_stored(tmp_path: Path, fit: Any, factor: int) -> None:
    items = np.concatenate([np.stack([noise(SIDE, SIDE)] * 2), np.zeros((2, SIDE, SIDE, 2), np.uint8)], axis=-1)
    files = example_images(items, [0, 1], fit=fit)
    path = tmp_path / "example_0.png"
    path.write_bytes(files["example_0.png"])
    assert Image.open(io.BytesIO(files["example_1.png"])).size == (factor * SIDE, factor * SIDE)
    decoded = read_image(path)
    (found,) = Predictor.load(write_model(tmp_path / "m", fit), CPU)([Measured(decoded.rgb, decoded.pixel_size_um)])
    assert np.array_equal(found.item, items[0])


def test_a_file_that_does_not_say_how_large_its_pixels_are_is_a_row_with_an_error(tmp_path: Path) -> None:
    predictor = Predictor.load(write_model(tmp_path / "m", MICROMETRES), CPU)
    (tmp_path / "a.png").write_bytes(encode_png(noise(30, 40)))
    Image.fromarray(noise(30, 40)).save(tmp_path / "b.tif", dpi=(101_600, 101_600))
    ((rows, _),) = FilePredictor(predictor, "m")([str(tmp_path / "a.png"), str(tmp_path / "b.tif")])
    assert "um_per_pixel: 0.5" in rows[0]["error"] and rows[0]["predicted"] == ""
    assert rows[1]["error"] == "" and rows[1]["predicted"] in ("bad", "good")


def test_the_command_takes_the_size_of_the_pixels(tmp_path: Path) -> None:
    model, image = write_model(tmp_path / "m", MICROMETRES), tmp_path / "a.png"
    image.write_bytes(encode_png(noise(30, 40)))
    given = ["predict", str(model), str(image), "--threads", "1"]
    assert CliRunner().invoke(app, given).exit_code == 2
    done = CliRunner().invoke(app, [*given, "--pixel-size-um", "0.25"])
    assert done.exit_code == 0, done.output
    assert "larger than" not in done.stderr
    (half,) = Predictor.load(write_model(tmp_path / "p", PIXELS), CPU)([noise(30, 40)])
    assert f"{half.probabilities[0]:.6f}" in done.stdout
    done = CliRunner().invoke(app, [*given, "--pixel-size-um", "1"])
    assert "images larger than 20 x 20 px at the scale of the model's training" in done.stderr
    assert "only the centre was seen: 1" in done.stderr


def test_a_heat_map_lies_over_the_part_of_the_image_that_was_seen() -> None:
    grey = np.full((100, 200, 3), 128, np.uint8)
    weights = np.zeros((64, 64))
    weights[:12] = 1  # over the padding above the image
    assert heat_over(grey, weights, place((100, 200), SIDE, "pad")) == pytest.approx(grey, abs=2)
    assert heat_over(grey, weights) != pytest.approx(grey, abs=20)
    weights = np.ones((64, 64))
    seen = heat_over(grey, weights, place((100, 200), SIDE, Scale(kind="scale", source_pixels=5)))
    assert not np.array_equal(seen[:, 100], grey[:, 100])
    assert np.array_equal(seen[:, :45], grey[:, :45]) and np.array_equal(seen[:, 155:], grey[:, 155:])


@pytest.mark.parametrize(
    ("fit", "said"),
    [
        (None, "they are resized to 20 x 20 pixels"),
        ("pad", "they keep their aspect ratio and are resized to fit into 20 x 20 pixels and padded"),
        (PIXELS, "they are resized so that a pixel stands for 2 of their pixels, cropped to their central 20 x 20"),
        (MICROMETRES, "they are resized so that a pixel stands for 0.5 micrometres"),
    ],
)
def test_the_readme_says_what_becomes_of_an_image(tmp_path: Path, fit: Any, said: str) -> None:
    spec = ModelSpec.read(write_model(tmp_path / "m", fit) / "model.json")
    assert said in usage("m", spec)


def test_a_field_says_how_large_its_pixels_are(tmp_path: Path) -> None:
    Image.fromarray(noise(30, 40)).save(tmp_path / "b.tif", dpi=(101_600, 101_600))
    with open_field(tmp_path / "b.tif") as field:
        assert field.pixel_size_um == pytest.approx(0.25)
    assert Field.of(noise(30, 40)).pixel_size_um is None


def test_cells_of_a_field_are_classified_at_its_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cytopipe.screening import screen as screening

    box = (10, 20, 50, 40)
    cell = DetectedCell(box, np.zeros((4, 2), np.int32), None, 800, 1.0, cut=False)
    monkeypatch.setattr(screening, "find_cells", lambda *_: iter([cell]))
    pixels = noise(80, 90)
    Image.fromarray(pixels).save(tmp_path / "f.tif", dpi=(101_600, 101_600))
    for fit in (PIXELS, MICROMETRES):
        predictor = Predictor.load(write_model(tmp_path / fit.model_dump_json()[-6:-2], fit), CPU)
        with open_field(tmp_path / "f.tif") as field:
            (found,) = screening.screen(field, None, predictor, margin=0.0)  # type: ignore[arg-type]
        (expected,) = predictor([Measured(pixels[19:40, 9:50], 0.25)])
        assert found.prediction is not None and np.array_equal(found.prediction.item, expected.item)


@pytest.mark.parametrize(
    ("fit", "scale", "side"), [(None, None, 20), ("pad", None, 20), (PIXELS, None, 40), (MICROMETRES, 0.5, 40)]
)
def test_patches_of_a_field_have_the_scale_of_the_training(tmp_path: Path, fit: Any, scale: Any, side: int) -> None:
    model = write_model(tmp_path / "m", fit, ("background", "cell"))
    assert PatchDetector(model, CPU, scale).side == side


def test_patches_at_a_scale_in_micrometres_need_one(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m", MICROMETRES, ("background", "cell"))
    with pytest.raises(CytopipeError, match=r"(?s)0.5 micrometres a pixel.*--scale"):
        PatchDetector(model, CPU)
