"""Exports of models whose images are padded or kept at one scale."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from cytopipe.data.imaging.decode import encode_png, read_rgb
from cytopipe.data.imaging.fit import Measured
from cytopipe.data.imaging.masks import encode_mask
from cytopipe.deploy.onnx.export import open_source, to_checked_onnx
from cytopipe.models.inference.predictor import Predictor
from fixture_types import SaveModel

PATCH = ("cell_background", {"width": 4, "hidden": 8}, 20)
ELSEWHERE = """
import runpy, sys
sys.modules.update(cytopipe=None, torch=None, onnx=None)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
FITS: dict[str, Any] = {
    "stretch": None,
    "pad": "pad",
    "scale": {"kind": "scale", "source_pixels": 3.0},
    "micrometres": {"kind": "scale", "um_per_pixel": 0.5},
}


@pytest.mark.parametrize("name", FITS)
def test_an_export_agrees_and_says_its_fit(name: str, make_model: SaveModel, images: list[Path]) -> None:
    folder = make_model(*PATCH, fit=FITS[name], channels="rgb+masks")
    exported = to_checked_onnx(open_source(folder), folder, images)
    assert exported.real.agreement == 1 and exported.real.difference < 1e-5
    about = {one.key: one.value for one in onnx.load_from_string(exported.data).metadata_props}
    assert json.loads(about.get("fit", "null")) == FITS[name]


@pytest.mark.parametrize("name", ["stretch", "pad", "scale"])
def test_the_example_program_fits_images_as_cytopipe_does(
    name: str, root: Path, make_model: SaveModel, images: list[Path], tmp_path: Path
) -> None:
    folder = make_model(*PATCH, fit=FITS[name], channels="rgb+masks")
    (tmp_path / "m.onnx").write_bytes(to_checked_onnx(open_source(folder), folder, images).data)
    predictor = Predictor.load(folder, torch.device("cpu"))
    wide = tmp_path / "wide.png"
    wide.write_bytes(encode_png(read_rgb(images[2])[0][5:30]))  # cropped at one scale, and padded
    (found,) = predictor([read_rgb(wide)[0]])
    assert found.mask is not None
    (tmp_path / "mask.png").write_bytes(encode_mask(found.mask))
    files = (root / "docs/onnx_example.py", tmp_path / "m.onnx", wide, tmp_path / "mask.png")
    script = [sys.executable, "-c", ELSEWHERE, *map(str, files)]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    said = [float(line.split("\t")[1]) for line in done.stdout.splitlines()]
    assert said == pytest.approx(found.probabilities.tolist(), abs=2e-6)


def test_the_example_program_says_what_it_cannot_know(
    root: Path, make_model: SaveModel, images: list[Path], tmp_path: Path
) -> None:
    folder = make_model(*PATCH, fit=FITS["micrometres"])
    (tmp_path / "m.onnx").write_bytes(to_checked_onnx(open_source(folder), folder, images).data)
    files = (root / "docs/onnx_example.py", tmp_path / "m.onnx", images[0])
    script = [sys.executable, "-c", ELSEWHERE, *map(str, files)]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "divide um_per_pixel by the micrometres of a pixel" in done.stderr


@pytest.mark.parametrize("name", FITS)
def test_the_check_sees_what_prediction_sees(name: str, make_model: SaveModel, images: list[Path]) -> None:
    folder = make_model(*PATCH, fit=FITS[name])
    pixels = [read_rgb(path)[0] for path in images]
    ((items, _),) = open_source(folder).of_images(pixels)
    predicted = Predictor.load(folder, torch.device("cpu"))(Measured(image, 0.5) for image in pixels)
    assert np.array_equal(items, np.stack([one.item[..., :3] for one in predicted]))
