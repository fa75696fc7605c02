from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import timm
import torch
from typer.testing import CliRunner

from cytopipe.cli import app
from cytopipe.core.params import load_params
from cytopipe.models.packages import WHEELS

ROOT = Path(__file__).resolve().parents[3]
RUNNER = CliRunner()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "workflow/weights").mkdir(parents=True)
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "workflow/presets").symlink_to(ROOT / "workflow/presets")
    return tmp_path


def test_a_checkpoint_is_imported_and_listed(project: Path) -> None:
    torch.save({"state_dict": timm.create_model("test_resnet", num_classes=3).state_dict()}, "some.pth")
    command = ["weights", "import", "some.pth", "--as", "mine", "--architecture", "timm/test_resnet"]
    result = RUNNER.invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "wrote workflow/weights/mine.safetensors: timm/test_resnet" in result.output
    assert "head: 3 classes; channels: 3" in result.output
    assert "pretrained: workflow/weights/mine.safetensors" in result.output
    again = json.loads(RUNNER.invoke(app, [*command, "--json", "--drop-head", "--force"]).output)
    assert again["dropped"] == ["fc.weight", "fc.bias"] and again["classes"] is None
    listed = json.loads(RUNNER.invoke(app, ["weights", "list", "--json"]).output)
    assert [one["architecture"] for one in listed] == ["timm/test_resnet", *(f"timm/{name}" for name in WHEELS)]
    assert "some.pth (SHA-256" in RUNNER.invoke(app, ["weights", "list"]).output


def test_a_fault_is_one_error_and_exit_status_1(project: Path) -> None:
    Path("bad.pth").write_bytes(pickle.dumps(print))
    result = RUNNER.invoke(app, ["weights", "import", "bad.pth", "--as", "mine"])
    assert result.exit_code == 1 and "error: bad.pth: " in result.output
    assert RUNNER.invoke(app, ["weights", "import", "bad.pth"]).exit_code == 1


@pytest.mark.parametrize("preset", ["hep2", "herlev", "herlev-regions", "wbc-imagenet", "bethesda"])
def test_a_preset_starts_from_packages_in_place_of_the_hub(project: Path, preset: str) -> None:
    result = RUNNER.invoke(app, ["preset", preset, "--weights", "package", "--force"])
    assert result.exit_code == 0, result.output
    assert "built on tf_efficientnet_lite0, in place of mobilenetv2_100" in result.output
    params = load_params(Path("params.yaml"))
    before = load_params(project / f"workflow/presets/{preset}.yaml")
    for section in ("segmenters", "classifiers"):
        for name, network in getattr(params, section).items():
            former = getattr(before, section)[name]
            if former.pretrained.name != "hub":
                assert network == former
                continue
            assert network.pretrained == Path("workflow/weights/package")
            assert "tf_efficientnet_lite0" in {
                network.architecture.removeprefix("timm/"),
                *map(str, network.arguments.values()),
            }
            assert network.normalisation is None or network.normalisation.mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ("hep2-paper", "'alexnet' is built on alexnet_hep2, of which no package has weights"),
        ("interpretable-paper", "is built on resnet50, of which no package has weights"),
        ("wbc", "which this preset does not contain"),
    ],
)
def test_a_preset_without_a_network_of_the_packages_is_refused(project: Path, preset: str, message: str) -> None:
    result = RUNNER.invoke(app, ["preset", preset, "--weights", "package"])
    assert result.exit_code == 1 and message in result.output
    assert not Path("params.yaml").exists()
