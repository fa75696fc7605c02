"""A small classifier with its segmenter and examples, and a project with an MLflow database."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cytopipe.core.pipeline.tracking.tracker import Tracker
from cytopipe.data.imaging.decode import encode_png
from cytopipe.models.bundle import example_images
from cytopipe.models.folder import load_model, save_model
from fixture_types import SaveClassifier, Track


@pytest.fixture(scope="session")
def make_model(save_classifier: SaveClassifier) -> SaveClassifier:
    """As `save_classifier`, with an example image of each class."""
    items = np.random.default_rng(1).integers(0, 256, (2, 24, 24, 5), np.uint8)

    def make(folder: Path, channels: str = "rgb+masks", seed: int = 0, **changes: object) -> Path:
        save_classifier(folder, channels, seed, **changes)
        save_model(folder, *load_model(folder), example_images(items, [0, 1]))
        return folder

    return make


@pytest.fixture
def model(make_model: SaveClassifier, tmp_path: Path) -> Path:
    """The folder of a classifier that takes masks."""
    return make_model(tmp_path / "models/classifiers/first")


@pytest.fixture(scope="session")
def files() -> list[bytes]:
    """Images of three sizes, as PNG files."""
    rng = np.random.default_rng(5)
    sizes = [(24, 24), (40, 30), (19, 61)]
    return [encode_png(rng.integers(0, 256, (height, width, 3), np.uint8)) for height, width in sizes * 3]


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database; creating one takes seconds."""
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
        return Tracker(
            stage=stage,
            item=item,
            experiment="cells",
            enabled=enabled,
            params={"lr": 0.1},
            inputs={},
            root=tmp_path,
        )

    return make


@pytest.fixture
def client(tmp_path: Path) -> Any:
    """MLflow's client of the project's store."""
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
