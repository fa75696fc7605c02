"""A project for running the stage `organize` on faulty images."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from cytopipe.sources.fetch import write_raw_manifest

ROOT = Path(__file__).parents[2]
RAW, OUT = Path("data/raw/cells/files"), Path("data/organized/cells")


class Project:
    """A project folder with a dataset of 12 patients, each with one cell of each of two classes, with masks."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.raw, self.out = folder, folder / RAW, folder / OUT
        self.params: dict[str, Any] = yaml.safe_load((ROOT / "workflow/presets/tiny.yaml").read_text())
        tiny = self.params["datasets"].pop("tiny")
        self.dataset: dict[str, Any] = tiny | {
            "adapter": "folder",
            "source": {"kind": "archive", "path": "cells"},
            "options": {"csv": "labels.csv", "images": "images", "group": "patient", "masks": "masks"},
        }
        self.params["datasets"]["cells"] = self.dataset
        self.params["screenings"] = {}  # this dataset has no fields
        self.params["tracking"] = {"enabled": False}
        for model in (*self.params["segmenters"].values(), *self.params["classifiers"].values()):
            model["dataset"] = "cells"
        self.rows = ["image,label,patient"]
        for seed, name in enumerate(f"p{patient}_{label}" for patient in range(12) for label in ("neg", "pos")):
            self.rows.append(f"{name}.png,{name[-3:]},{name[:-4]}")
            pixels = np.random.default_rng(seed).integers(0, 256, (12, 10, 3), dtype=np.uint8)
            self.image(f"images/{name}.png", pixels)
            self.image(f"masks/{name}.png", pixels[..., 0] % 3)

    def image(self, name: str, pixels: np.ndarray) -> None:
        (self.raw / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(self.raw / name)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        (self.raw / "labels.csv").write_text("\n".join(self.rows) + "\n")
        write_raw_manifest(self.raw.parent / "manifest.csv", self.raw)
        (self.folder / "params.yaml").write_text(yaml.safe_dump(self.params, sort_keys=False))
        return subprocess.run(
            [sys.executable, ROOT / "stages/organize.py", *(arguments or ("cells",))],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
