"""A small classifier with its segmenter and examples, and a project with an MLflow database."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cytopipe.imaging.decode import encode_png
from cytopipe.models.bundle import copy_segmenter, example_images
from cytopipe.models.folder import save_model
from cytopipe.models.registry import build
from cytopipe.pipeline.tracking.tracker import Tracker
from fixture_types import SaveClassifier, Track


def helpers(root: Path) -> Any:
    """The makers of small models, of the tests of the predictor."""
    spec = importlib.util.spec_from_file_location("small_models", root / "tests/unit/inference/test_predictor.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def make_model(root: Path) -> SaveClassifier:
    """Write a classifier of bad and good 24 px images, other weights for each seed, and return its folder."""
    small = helpers(root)

    def make(folder: Path, channels: str = "rgb+masks", seed: int = 0, **changes: object) -> Path:
        spec = small.classifier_spec(channels, **changes)
        torch.manual_seed(seed)
        items = np.random.default_rng(1).integers(0, 256, (2, small.SIDE, small.SIDE, 5), np.uint8)
        save_model(folder, build("cell_background", **spec.arguments), spec, example_images(items, [0, 1]))
        if spec.channels != "rgb":
            copy_segmenter(small.write_segmenter(folder.with_name(f"{folder.name}-otsu")), folder / "segmenter")
        return folder

    return make


@pytest.fixture
def model(make_model: SaveClassifier, tmp_path: Path) -> Path:
    """One that sees masks."""
    return make_model(tmp_path / "models/classifiers/first")


@pytest.fixture(scope="session")
def files() -> list[bytes]:
    """Images of three sizes, as PNG files."""
    rng = np.random.default_rng(5)
    sizes = [(24, 24), (40, 30), (19, 61)]
    return [encode_png(rng.integers(0, 256, (height, width, 3), np.uint8)) for height, width in sizes * 3]


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of MLflow, which takes seconds to create."""
    from mlflow import MlflowClient

    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments(max_results=1)
    return file


@pytest.fixture
def track(tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch) -> Track:
    """Trackers of a project in `tmp_path`."""
    for name in ("MLFLOW_TRACKING_URI", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(name, raising=False)
    shutil.copy(database, tmp_path / "mlflow.db")

    def make(stage: str = "train_classifier", item: str | None = "first", enabled: bool = True) -> Tracker:
        given = {"experiment": "cells", "params": {"lr": 0.1}, "inputs": {}, "root": tmp_path, "enabled": enabled}
        return Tracker(stage=stage, item=item, **given)  # type: ignore[arg-type]

    return make


@pytest.fixture
def client(tmp_path: Path) -> Any:
    """MLflow's client of the project's store."""
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
