"""Fixtures that tests of several folders share."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

# Before numpy and torch are imported: two test processes with two threads each on two cores ran 10 times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent

Save = Callable[..., np.ndarray]
SaveClassifier = Callable[..., Path]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def datasets_folder() -> Path:
    """Folder with the archives of real images; tests that need one skip where it is absent."""
    folder = Path(os.environ.get("CYTOPIPE_DATASETS", ROOT.parent / "shared" / "datasets"))
    if not folder.is_dir():
        pytest.skip(f"no archives of real images in {folder}: set CYTOPIPE_DATASETS")
    return folder


@pytest.fixture(scope="session")
def save_image() -> Save:
    """Write an image of random colours, another for each seed, and return its H x W x 3 uint8 pixels."""

    def save(path: Path, seed: int = 0, size: tuple[int, int] = (12, 10)) -> np.ndarray:
        pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return pixels

    return save


@pytest.fixture(scope="session")
def load() -> Callable[[str], ModuleType]:
    """A module of the tests that is no test, by its path below tests/: they are no package."""

    def load(path: str) -> ModuleType:
        file = ROOT / "tests" / path
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def made(load: Callable[[str], ModuleType]) -> ModuleType:
    """Small models and images for them; see `made_models.py`."""
    return load("made_models.py")


@pytest.fixture(scope="session")
def finished_project(load: Callable[[str], ModuleType], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as a finished run leaves it, made by hand; see `made_project.py`. Not to be written to."""
    folder = tmp_path_factory.mktemp("finished")
    load("made_project.py").make_project(folder)
    return folder


@pytest.fixture(scope="session")
def save_classifier() -> SaveClassifier:
    """Write a small untrained classifier of the classes bad and good, and return its folder; with masks by Otsu's."""

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
