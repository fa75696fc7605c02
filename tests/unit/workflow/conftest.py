from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]  # workflow/, as for the Snakefile, and the benchmarks' modules

Make = Callable[[Path | dict[str, Any]], Path]


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Make a project that shares the code of this one, with the parameters of a file or given as values."""

    def make(params: Path | dict[str, Any]) -> Path:
        folder = tmp_path_factory.mktemp("project")
        (folder / ".dvc").mkdir()
        (folder / ".dvc/config").write_text("[core]\n    no_scm = true\n")
        for name in ("src", "stages", "workflow"):
            (folder / name).symlink_to(ROOT / name)
        shutil.copy(ROOT / "dvc.yaml", folder)
        text = params.read_text() if isinstance(params, Path) else yaml.safe_dump(params, sort_keys=False)
        (folder / "params.yaml").write_text(text)
        return folder

    return make


@pytest.fixture
def tiny() -> dict[str, Any]:
    """The values of the preset tiny."""
    values: dict[str, Any] = yaml.safe_load((ROOT / "workflow/presets/tiny.yaml").read_text())
    return values


@pytest.fixture
def several(tiny: dict[str, Any]) -> dict[str, Any]:
    """Two datasets, two segmenters, three classifiers: one on the first dataset and two on the second."""
    data, unet, network = tiny["datasets"]["tiny"], tiny["segmenters"]["unet"], tiny["classifiers"]["masks"]
    return {
        **tiny,
        "datasets": {
            "smear": {**data, "segmenter": "fine"},
            "blood": {**data, "segmenter": "coarse", "source": {**data["source"], "seed": 99}},
        },
        "segmenters": {"fine": {**unet, "dataset": "smear"}, "coarse": {**unet, "dataset": "smear"}},
        "classifiers": {
            "big": {**network, "dataset": "smear"},
            "blood-big": {**network, "dataset": "blood"},
            "blood-small": {**network, "dataset": "blood"},
        },
        "screenings": {
            "by-masks": {"dataset": "smear", "detector": "segmenters/fine", "classifier": "big"},
            "by-patches": {"dataset": "blood", "detector": "classifiers/blood-small", "classifier": "blood-big"},
        },
        "evaluations": {
            "big-on-blood": {"classifier": "big", "dataset": "blood"},
            "fine-on-blood": {"segmenter": "fine", "dataset": "blood"},
        },
    }
