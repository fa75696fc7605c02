"""What a command imports decides how soon it starts and how much memory it takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cytopipe.cli import app
from fixture_types import SaveClassifier, SaveImage

COMMANDS = tuple(str(command.name) for command in app.registered_commands)

# Libraries that a prediction does not need, and with which it would take seconds and hundreds of megabytes more.
OTHER_WORK = frozenset(
    {"albumentations", "captum", "dvc", "imagehash", "matplotlib", "mlflow", "monai", "pandas", "scipy", "skimage"}
    | {"sklearn", "snakemake", "sympy", "torch._dynamo", "torch._inductor", "triton"}
)
ZOO = frozenset({"timm", "torchvision", "huggingface_hub"})  # for networks of timm alone
ANY_WORK = OTHER_WORK | ZOO | {"cv2", "numpy", "PIL", "safetensors", "torch", "yaml"}

RUN = """
import json, sys
from typer.testing import CliRunner
from cytopipe.cli import app

shown = []
for line in json.loads(sys.argv[1]):
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0, result.output
    shown.append(result.stdout)
print(json.dumps([shown, sorted(sys.modules)]))
"""


def run(*lines: list[str]) -> tuple[list[str], set[str]]:
    """Run commands in one process of their own; their standard output, and the modules that they imported."""
    program = [sys.executable, "-c", RUN, json.dumps(lines)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    shown, modules = json.loads(done.stdout.splitlines()[-1])
    return shown, set(modules)


def predict(model: Path, image: Path) -> set[str]:
    """The modules that a prediction imports."""
    (output,), modules = run(["predict", str(model), str(image)])
    assert len(output.splitlines()) == 2
    return modules


def test_help_imports_no_library_that_does_the_work() -> None:
    shown, modules = run(*([command, "--help"] for command in COMMANDS))
    assert len(shown) >= 9 and all(text.startswith("Usage: ") for text in map(str.lstrip, shown))
    assert modules & ANY_WORK == set()


@pytest.mark.parametrize("channels", ["rgb", "rgb+masks"])
def test_a_prediction_imports_what_its_network_needs_and_no_more(
    channels: str, tmp_path: Path, save_classifier: SaveClassifier, save_image: SaveImage
) -> None:
    save_image(tmp_path / "cell.png", 1, (20, 31))
    modules = predict(save_classifier(tmp_path / "model", channels), tmp_path / "cell.png")
    assert modules & (OTHER_WORK | ZOO) == set()
    assert {"torch", "cv2"} <= modules


def test_a_prediction_by_a_network_of_timm_imports_no_compiler(
    tmp_path: Path, save_classifier: SaveClassifier, save_image: SaveImage
) -> None:
    save_image(tmp_path / "cell.png", 1, (20, 31))
    model = save_classifier(
        tmp_path / "model", "rgb", architecture="timm/test_resnet", arguments={"num_classes": 2, "in_channels": 3}
    )
    modules = predict(model, tmp_path / "cell.png")
    assert modules & OTHER_WORK == set()
    assert "timm" in modules
