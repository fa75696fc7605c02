"""The command `cytopipe export`, and the use of its files without cytopipe."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from cytopipe.cli import app
from cytopipe.cli.export import default_name
from cytopipe.data.imaging.decode import encode_png, read_rgb
from cytopipe.data.imaging.masks import encode_mask
from cytopipe.models.inference.segment import Segmentation
from fixture_types import SaveModel

PATCH = ("cell_background", {"width": 4, "hidden": 8}, 20)
# Runs a script as if cytopipe, torch and onnx were not installed.
ELSEWHERE = """
import runpy, sys
sys.modules.update(cytopipe=None, torch=None, onnx=None)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def model(make_model: SaveModel, images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model folder with examples, as after a training; it is the only entry of the current folder."""
    folder = make_model(*PATCH)
    for number, path in enumerate(images[:3]):
        shutil.copy(path, folder / f"example_{number}.png")
    monkeypatch.chdir(tmp_path)
    return folder


def export(*arguments: str | Path, status: int = 0) -> str:
    return run("export", *arguments, "--threads", "1", status=status)


def run(*arguments: str | Path, status: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result.stderr if status else result.stdout


def test_a_model_is_exported_with_its_own_examples(model: Path) -> None:
    shown = export("model")
    assert Path("model.onnx").is_file()
    assert "images  N x 20 x 20 x 3" in shown and "calibrated  N x 3" in shown
    assert "on 3 real images" in shown and "on 5 random ones" in shown and "100 %" in shown
    assert "times faster" not in shown


def test_the_json_report_describes_the_file(model: Path, images: list[Path]) -> None:
    report = json.loads(export(model, "--images", images[0].parent, "--out", "a/b.onnx", "--json", "--time"))
    data = Path("a/b.onnx").read_bytes()
    assert report["file"] == "a/b.onnx"
    assert (report["bytes"], report["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert report["real_images"]["images"] == len(images)
    assert report["real_images"]["agreement"] == 1
    assert 0 < report["real_images"]["difference"] < 1e-5
    assert report["metadata"]["classes"] == '["bad", "good", "große Zelle"]'
    assert [row["images"] for row in report["timings"]] == [1, 32] and report["threads"] == 1


def test_times_are_shown_when_asked_for(model: Path) -> None:
    assert "images  torch ms  ONNX Runtime ms  times faster" in export("model", "--time")


def test_an_existing_file_is_kept_unless_forced(model: Path) -> None:
    Path("model.onnx").write_text("precious")
    assert "model.onnx: the file exists" in export("model", status=1)
    assert Path("model.onnx").read_text() == "precious"
    export("model", "--force")
    assert Path("model.onnx").stat().st_size > 1000


def test_nothing_is_written_without_agreement(model: Path) -> None:
    Path("model.onnx").write_text("precious")
    fault = export("model", "--force", "--tolerance", "0", status=1)
    assert "differ by" in fault and "Traceback" not in fault
    assert Path("model.onnx").read_text() == "precious"
    assert [path.name for path in Path().glob("*model.onnx*")] == ["model.onnx"]


def test_a_file_is_named_after_its_model() -> None:
    assert default_name(Path("models/classifiers/masks")) == "masks"
    assert default_name(Path("models/classifiers/masks/folds/3")) == "masks-folds-3"


def test_another_process_writes_the_same_bytes(model: Path) -> None:
    sums = {json.loads(export("model", "--json"))["sha256"]}
    for seed in ("1", "2"):
        command = [sys.executable, "-c", "from cytopipe.cli import app; app()"]
        command += ["export", "model", "--json", "--threads", "1", "--out", f"{seed}.onnx"]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""  # no chatter
        sums.add(json.loads(done.stdout)["sha256"])
    assert len(sums) == 1


def test_the_example_program_without_cytopipe_gets_the_same_probabilities(
    root: Path, make_model: SaveModel, images: list[Path], tmp_path: Path
) -> None:
    folder = make_model(*PATCH, "masks", channels="rgb+masks")
    file = tmp_path / "masks.onnx"
    export(folder, "--images", images[0].parent, "--out", file)
    segmentation = Segmentation.load(folder / "segmenter", torch.device("cpu"))
    for path in images:
        predicted = json.loads(run("predict", folder, path, "--json", "--threads", "1"))
        (mask,) = segmentation.masks([read_rgb(path)[0]])
        (tmp_path / "mask.png").write_bytes(encode_mask(mask))
        script = [sys.executable, "-c", ELSEWHERE, *(str(one) for one in (root / "docs/onnx_example.py", file, path))]
        done = subprocess.run([*script, str(tmp_path / "mask.png")], capture_output=True, text=True, check=True)
        said = {label: float(value) for label, value, _ in (line.split("\t") for line in done.stdout.splitlines())}
        assert said == {
            name: pytest.approx(float(predicted[f"p_{name}"]), abs=2e-6) for name in ("bad", "good", "große Zelle")
        }


def test_the_example_program_needs_no_mask_for_a_model_without_masks(root: Path, model: Path, tmp_path: Path) -> None:
    export("model")
    large = tmp_path / "large.png"
    pixels = read_rgb(model / "example_1.png")[0]
    large.write_bytes(encode_png(pixels[:, :, ::-1].repeat(3, axis=0)))
    predicted = json.loads(run("predict", model, large, "--json", "--threads", "1"))
    script = [sys.executable, "-c", ELSEWHERE, str(root / "docs/onnx_example.py"), "model.onnx", str(large)]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    confidence = {label: float(value) for label, _, value in (line.split("\t") for line in done.stdout.splitlines())}
    assert max(confidence, key=confidence.__getitem__) == predicted["predicted"]
    assert max(confidence.values()) == pytest.approx(float(predicted["confidence"]), abs=2e-6)
