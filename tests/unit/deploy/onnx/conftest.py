"""Model folders of small networks whose outputs depend on the image, and images that differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cytopipe.models.bundle import copy_segmenter
from cytopipe.models.folder import save_model
from cytopipe.models.heads import build_classifier
from cytopipe.results.model_spec import ModelSpec
from fixture_types import SaveModel

CLASSES = ("bad", "good", "große Zelle")
THRESHOLDS = [{"specificity": 0.9, "score": 0.25}, {"specificity": 0.95, "score": 0.5}]
DECISIONS = {"temperature": 0.7, "confidence_threshold": 0.6, "abnormal": ["bad"], "thresholds": THRESHOLDS}


def lively(model: nn.Module, strength: float) -> nn.Module:
    """Draw weights and batch statistics as after a training: none is 0 or 1, so that a wrong one is noticed."""
    rng = torch.Generator().manual_seed(0)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.get_buffer("running_mean").normal_(0, 0.2, generator=rng)
            part.get_buffer("running_var").uniform_(0.5, 1.5, generator=rng)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(strength * torch.randn(parameter.shape, generator=rng))
    return model


@pytest.fixture
def make_model(tmp_path: Path) -> SaveModel:

    def make(architecture: str, arguments: dict[str, Any], side: int, name: str = "model", **changes: Any) -> Path:
        torch.manual_seed(0)
        strength = changes.pop("strength", 0.05)
        view, channels = changes.pop("view", None), changes.pop("channels", "rgb")
        count = 5 if channels == "rgb+masks" else 3
        if view is None:
            classes = changes.pop("classes", CLASSES)
            arguments = {**arguments, "num_classes": len(classes), "in_channels": count}
            own = {"decision_rule": DECISIONS, **changes}
        else:
            classes, own = ("cyt", "nuc"), {"view": {"input_size": max(side, 32), **view}, **changes}
        spec = ModelSpec(
            task="classification" if view is None else "segmentation",
            architecture=architecture,
            arguments=arguments,
            classes=classes,
            channels=channels,
            input_size=side,
            mean=(0.5, 0.45, 0.4, 0.5, 0.5)[:count],
            std=(0.2, 0.25, 0.3, 0.5, 0.5)[:count],
            training_data_sha256="ab" * 32,
            **own,
        )
        model = build_classifier(architecture, arguments, head=spec.head, activation=spec.activation)
        save_model(tmp_path / name, lively(model, strength), spec)
        if channels != "rgb":
            copy_segmenter(make("otsu", {}, side, "otsu", view={"view": "whole"}), tmp_path / name / "segmenter")
        return tmp_path / name

    return make


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """Five noisy images of several sizes and colours, each with a dark disc that contains a darker one."""
    rng = np.random.default_rng(7)
    folder = tmp_path / "images"
    folder.mkdir()
    paths = []
    for number, (height, width) in enumerate([(64, 64), (90, 70), (40, 120), (64, 64), (30, 30)]):
        y, x = np.mgrid[:height, :width]
        distance = np.hypot(y - height / 2, x - width / 2) / min(height, width)
        colour = rng.integers(120, 256, 3)
        shade = np.where(distance < 0.15 + 0.03 * number, 0.3, np.where(distance < 0.4, 0.6, 1.0))
        pixels = colour * shade[..., None] + rng.normal(0, 6, (height, width, 3))
        paths.append(folder / f"{number}.png")
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(paths[-1])
    return paths
