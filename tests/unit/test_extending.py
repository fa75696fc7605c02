"""The steps of docs/architecture.md, followed in a copy of the project: its code blocks are the files added."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import yaml

from cytopipe.core.params import SPLITS
from cytopipe.data.manifest import Row, write_manifest
from cytopipe.data.tensors import ArrayWriter
from cytopipe.results.tensors import TensorsSummary
from documented_files import CLASSIFIER, DATASET, MODEL, TABLE, WRITER, add_files, documented_files
from fixture_types import SaveImage
from made_results import dataset_summary

ADDRESS, SHA256 = "https://example.org/yeast.zip", "0" * 64
COMMAND = "from cytopipe.cli import app; app()"
CLASSES = ("single", "budding")


class Project:
    """A copy of what the stages need, with files of the documentation added."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        for name in ("src", "stages", "workflow"):
            shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        shutil.copy(root / "dvc.yaml", folder)

    def add(self, *names: str) -> None:
        add_files(self.root, self.folder, *names)

    def replace(self, name: str, changes: dict[str, str]) -> None:
        text = (self.folder / name).read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (self.folder / name).write_text(text)

    def run(self, *arguments: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(self.folder / "src"), "NO_PROXY": "127.0.0.1"}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def preset(self, *options: str) -> None:
        self.run("-c", COMMAND, "preset", "yeast", *options)
        self.replace("params.yaml", {"tracking: {enabled: true": "tracking: {enabled: false"})

    def manifest(self) -> list[dict[str, str]]:
        with (self.folder / "data/organized/yeast/manifest.csv").open(newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture
def project(root: Path, tmp_path: Path) -> Project:
    return Project(root, tmp_path / "project")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Path]:
    """A folder that a local web server serves; its file `address` holds the URL."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder))) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        (folder / "address").write_text(f"http://127.0.0.1:{found.server_port}")
        yield folder
        found.shutdown()


def test_a_dataset_is_one_module_one_recipe_and_one_preset(
    project: Project, server: Path, save_image: SaveImage
) -> None:
    names = [f"yeast/{label}/s{slide}_{cell:02d}.png" for label in CLASSES for slide in range(1, 9) for cell in (1, 2)]
    archive = server / "yeast.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for seed, name in enumerate(names):
            save_image(server / name, seed)
            file.write(server / name, name)
    project.add(*DATASET)
    address = f"{(server / 'address').read_text()}/yeast.zip"
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    project.replace("workflow/sources/yeast.yaml", {ADDRESS: address, SHA256: sha256})
    project.preset()
    project.run("stages/download.py", "yeast")
    project.run("stages/organize.py", "yeast")
    rows = project.manifest()
    assert sorted(row["source"] for row in rows) == sorted(names)
    for row in rows:
        stored = (project.folder / "data/organized/yeast" / row["path"]).read_bytes()
        assert hashlib.sha256(stored).hexdigest() == row["sha256"]
        assert row["group"] == Path(row["source"]).name.partition("_")[0]
    assert len({(row["group"], row["split"]) for row in rows}) == 8
    summary = json.loads((project.folder / "data/organized/yeast/summary.json").read_text())
    assert summary["classes"] == list(CLASSES)


def test_its_phantoms_are_one_module_and_one_table_more(project: Project) -> None:
    project.add(*DATASET, WRITER, TABLE)
    project.preset("--phantoms")
    project.run("stages/download.py", "yeast")
    project.run("stages/organize.py", "yeast")
    rows = project.manifest()
    assert {row["label"] for row in rows} == set(CLASSES)
    assert len({row["group"] for row in rows}) == 12
    assert {(row["width"], row["height"]) for row in rows} == {("40", "40")}


def test_a_model_is_one_file(project: Project, root: Path) -> None:
    project.add(MODEL)
    values = yaml.safe_load((project.folder / "workflow/presets/tiny.yaml").read_text())
    values["tracking"]["enabled"] = False
    values["classifiers"] = yaml.safe_load(documented_files(root)[CLASSIFIER])
    values["screenings"] = {}
    (project.folder / "params.yaml").write_text(yaml.safe_dump(values))
    write_tensors(project.folder)
    project.run("stages/train_classifier.py", "small")
    model = json.loads((project.folder / "models/classifiers/small/model.json").read_text())
    assert (model["architecture"], model["arguments"]["width"]) == ("small_cnn", 16)
    (history,) = project.folder.rglob("history.csv")
    assert len(history.read_text().splitlines()) == 1 + 4


def write_tensors(folder: Path) -> None:
    """Write the outputs of `organize`, `generate_masks` and `build_tensors` for a dataset of dark and bright images."""
    rng = np.random.default_rng(0)
    tensors, rows = folder / "data/tensors/tiny", []
    tensors.mkdir(parents=True)
    for split in SPLITS:
        with ArrayWriter(tensors / f"{split}.npy", 16, (32, 32, 5)) as writer:
            for number in range(16):
                writer.append(rng.integers(0, 100, (32, 32, 5), dtype=np.uint8) + np.uint8(150 * (number % 2)))
                rows.append(
                    Row(f"{split}{number:02d}", "", "ab"[number % 2], number % 2, split, f"{number}", 32, 32, "")
                )
    rows.sort(key=lambda row: row.id)
    write_manifest(tensors / "manifest.csv", rows)
    dataset_summary("tiny", "ab", dict.fromkeys(SPLITS, 8), 32).write(folder / "data/organized/tiny/summary.json")
    none = {"count": 0, "first": None}
    about = {"dataset": "tiny", "images": 48, "image_size": 32, "fit": "stretch", "padded": none, "cropped": none}
    TensorsSummary.model_validate(about).write(tensors / "summary.json")
    segmenter = folder / "data/masks/tiny/segmenter/model.json"
    segmenter.parent.mkdir(parents=True)
    segmenter.write_text("{}")
