"""From somebody's checkpoint through params.yaml to a training that starts from it."""

from __future__ import annotations

from pathlib import Path

import timm
import torch

from cytopipe.core.params import Classifier
from cytopipe.training.train_classifier import ClassifierJob, train_classifier
from cytopipe.training.workspace import Workspace
from cytopipe.weights.importing import Request, import_checkpoint
from fixture_types import Recipe


def test_an_epoch_starts_from_an_imported_checkpoint(tmp_path: Path, tensors: Path, recipe: Recipe) -> None:
    (tmp_path / "workflow/weights").mkdir(parents=True)
    torch.manual_seed(5)
    donor = timm.create_model("test_resnet", num_classes=9).state_dict()
    torch.save({"teacher": {f"backbone.{key}": tensor for key, tensor in donor.items()}}, tmp_path / "ssl.pth")
    request = Request(architecture="timm/test_resnet", normalisation="half")
    file = import_checkpoint(tmp_path, tmp_path / "ssl.pth", "ssl", request).file
    training = recipe(epochs=1, learning_rate=1e-7, warmup_epochs=0).model_dump()
    config = Classifier.model_validate(
        {
            **{"dataset": "d", "architecture": "timm/test_resnet", "channels": "rgb+masks"},
            **{"pretrained": str(file), "training": training},
        }
    )
    workspace = Workspace(torch.device("cpu"), 0, tmp_path / "s", tmp_path / "c", lambda part, epoch: None)
    trained = train_classifier(ClassifierJob(config, ("a", "b"), (), tensors, "0" * 64, workspace))
    network = trained.networks[""]
    state = network.model.state_dict()
    assert network.spec.mean[:3] == (0.5, 0.5, 0.5)
    assert torch.allclose(state["layer4.0.conv1.weight"], donor["layer4.0.conv1.weight"], atol=1e-4)
    stem = donor["conv1.0.weight" if "conv1.0.weight" in donor else "conv1.weight"]
    assert torch.allclose(
        next(value for key, value in state.items() if key.startswith("conv1"))[:, :3], stem * 0.6, atol=1e-4
    )
