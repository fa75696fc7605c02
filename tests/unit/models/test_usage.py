"""The README of a model folder agrees with the model, and its Python code runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cytopipe.core.params import Channels
from cytopipe.models.bundle import example_images
from cytopipe.models.folder import save_model
from cytopipe.models.registry import build
from cytopipe.models.usage import README, usage
from cytopipe.results.model_spec import DecisionRule, ModelSpec

ROOT = Path(__file__).resolve().parents[3]


def spec(channels: Channels = "rgb", threshold: float | None = 0.8765) -> ModelSpec:
    count = 5 if channels == "rgb+masks" else 3
    return ModelSpec(
        task="classification",
        architecture="cell_background",
        arguments={"in_channels": count},
        classes=("background", "cell"),
        channels=channels,
        input_size=20,
        mean=(0.5,) * count,
        std=(0.5,) * count,
        training_data_sha256="0" * 64,
        decision_rule=DecisionRule(temperature=1.0, confidence_threshold=threshold),
    )


@pytest.mark.parametrize(("channels", "masks"), [("rgb", False), ("rgb+masks", True), ("masked", True)])
def test_the_readme_names_classes_size_and_segmenter(channels: Channels, masks: bool) -> None:
    text = usage("mine", spec(channels))
    assert "0. background\n1. cell" in text and "20 x 20 pixels" in text and "below 0.876" in text
    assert ("`segmenter/`" in text) == masks


def test_a_model_that_is_never_certain_says_so() -> None:
    assert "Every prediction is uncertain" in usage("mine", spec(threshold=None))


def test_the_python_code_of_the_readme_runs_in_the_folder(tmp_path: Path) -> None:
    import numpy as np

    items = np.random.default_rng(0).integers(0, 256, (2, 20, 20, 5), np.uint8)
    save_model(tmp_path, build("cell_background"), spec(), example_images(items, [0, 1]))
    (tmp_path / README).write_text(usage("mine", spec()))
    lines = (tmp_path / README).read_text().split("or in Python:")[1].split("A prediction is uncertain")[0]
    code = re.sub(r"^    ", "", lines, flags=re.MULTILINE)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[0] in ("background", "cell")
