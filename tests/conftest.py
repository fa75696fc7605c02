"""Fixtures that are shared by tests of several folders."""

from __future__ import annotations

import os
from pathlib import Path

# Before numpy and torch are imported: parallel test processes with several threads each slow each other down.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from fixture_types import SaveClassifier, SaveImage

ROOT = Path(__file__).parent.parent

# The same draws everywhere, and no limit of time: a test neither depends on luck nor on the machine.
settings.register_profile("cytopipe", derandomize=True, deadline=None, database=None)
settings.load_profile("cytopipe")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def datasets_folder() -> Path:
    """Folder with archives of real images; tests that need one are skipped if it is missing."""
    folder = Path(os.environ.get("CYTOPIPE_DATASETS", ROOT.parent / "shared" / "datasets"))
    if not folder.is_dir():
        pytest.skip(f"no archives of real images in {folder}: set CYTOPIPE_DATASETS")
    return folder


@pytest.fixture(scope="session")
def save_image() -> SaveImage:

    def save(path: Path, seed: int = 0, size: tuple[int, int] = (12, 10)) -> np.ndarray:
        pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return pixels

    return save


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as after a finished run, see `made_project.py`; read-only."""
    from made_project import make_project

    folder = tmp_path_factory.mktemp("finished")
    make_project(folder)
    return folder


@pytest.fixture(scope="session")
def save_classifier() -> SaveClassifier:

    def save(folder: Path, channels: str = "rgb+masks", seed: int = 3, **changes: object) -> Path:
        import torch

        from cytopipe.models.folder import save_model
        from cytopipe.models.registry import build
        from cytopipe.results.model_spec import ModelSpec

        def write(target: Path, count: int, **given: object) -> None:
            side = {"input_size": 24, "mean": (0.5,) * count, "std": (0.25,) * count, "training_data_sha256": "0" * 64}
            spec = ModelSpec.model_validate({**side, **given})
            save_model(target, build(spec.architecture, **spec.arguments), spec)

        torch.manual_seed(seed)
        count = 5 if channels == "rgb+masks" else 3
        rule = {"temperature": 2.0, "confidence_threshold": 0.7, "abnormal": ["bad"], "thresholds": []}
        given: dict[str, object] = {
            "task": "classification",
            "architecture": "cell_background",
            "arguments": {"num_classes": 2, "in_channels": count, "input_size": 24},
            "classes": ("bad", "good"),
            "channels": channels,
            "decision_rule": rule,
            "num_threads": 1,
        }
        write(folder, count, **{**given, **changes})
        if channels != "rgb":
            otsu = {"task": "segmentation", "architecture": "otsu", "arguments": {}, "classes": ("cyt", "nuc")}
            write(folder / "segmenter", 3, **otsu, channels="rgb", view={"view": "whole", "input_size": 32})
        return folder

    return save


def pytest_report_header() -> str:
    """The seed of the kills of this commit; workers of xdist print nothing themselves."""
    from kills import drawn_by

    return f"seed of the kills: {drawn_by()} (CYTOPIPE_CHAOS_SEED)"
