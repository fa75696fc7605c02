"""cytopipe beside other programs: the same images, minutes of training and cores for each.

python benchmarks/peers.py                      an hour: the peers are installed, then five trainings
python benchmarks/peers.py --minutes 2 --only fastai --only cytopipe-classifier
python benchmarks/peers.py --write              also puts the numbers into docs/bench.json

The peers (extra `bench` of pyproject.toml) are installed into an environment of their own, which sees the project's
torch. Classifiers start from random weights and learn HEp-2 cells on the publisher's split; segmenters learn white
blood cells. All see the same training and validation images and are scored on the same test images.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Event, Thread
from typing import Annotated, Any

import numpy as np
import psutil
import typer
import yaml

from copies import ROOT, Copy, fresh
from cytopipe.data.imaging.masks import read_mask
from cytopipe.data.manifest import read_manifest
from cytopipe.metrics.operating_points import wilson
from cytopipe.metrics.segmentation import overlap_of_parts
from cytopipe.paths import STATE, Organized, classifier, segmenter
from cytopipe.results.predictions import Predictions

RESULTS = ROOT / "docs/bench.json"
ENVIRONMENT = ROOT / STATE / "peers"
SCRIPTS = ROOT / "benchmarks/peer"
CELLS, BLOOD = "hep2", "wbc"
ARCHIVES = {CELLS: "hep2_icpr2014.zip", BLOOD: "wbc_dataset1.zip"}
NETWORK = "peer"
# Chosen on validation images; the same depth of network as fastai's.
CLASSIFIER: dict[str, Any] = {
    "dataset": CELLS,
    "architecture": "timm/resnet18",
    "pretrained": "workflow/weights/none",
    "channels": "rgb",
    "input_size": 64,
    "training": {
        "batch_size": 64,
        "learning_rate": 0.003,
        "weight_decay": 0.05,
        "warmup_epochs": 1,
        "label_smoothing": 0.1,
        "gradient_clip": 1.0,
        "precision": "auto",
        "augment": {"flips": True, "rotation": 20, "brightness": 0.2, "contrast": 0.2},
    },
}


class Contender(StrEnum):
    """Who takes part."""

    cytopipe_classifier = "cytopipe-classifier"
    ultralytics = "ultralytics"
    fastai = "fastai"
    cytopipe_segmenter = "cytopipe-segmenter"
    nnunet = "nnunet"


@dataclass
class PeakMemory:
    """The largest memory of a process and its children, sampled; shared pages are divided among their owners."""

    mib: float = 0.0

    def watch(self, pid: int, over: Event) -> None:
        """Sample until the event is set."""
        while not over.wait(1):
            self.mib = max(self.mib, _memory(pid))


def main(
    minutes: Annotated[float, typer.Option(min=0.1, help="Minutes of training for each.")] = 10,
    only: Annotated[list[Contender] | None, typer.Option(help="Only this one; repeatable. Default: all.")] = None,
    datasets: Annotated[Path, typer.Option(help="Folder of the archives.", envvar="CYTOPIPE_DATASETS")] = Path(
        "../shared/datasets"
    ),
    write: Annotated[bool, typer.Option(help="Also write docs/bench.json.")] = False,
) -> None:
    """Train each, and print accuracy or Dice, images per second and peak memory."""
    wanted = list(only or Contender)
    python = peers_python() if set(wanted) & {Contender.ultralytics, Contender.fastai, Contender.nnunet} else None
    results: dict[str, Any] = {"minutes": minutes, "cores": len(os.sched_getaffinity(0)), "contenders": {}}
    with tempfile.TemporaryDirectory(prefix="cytopipe-peers-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        projects = {dataset: project(folder / dataset, dataset, datasets) for dataset in ARCHIVES}
        for contender in wanted:
            found = measure(contender, projects, python, minutes, folder / contender.value)
            results["contenders"][contender.value] = found
            print(json.dumps({contender.value: found}, indent=2), flush=True)
    if write:
        stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        stored["peers"] = results | {"command": "python benchmarks/peers.py --write"}
        RESULTS.write_text(json.dumps(stored, indent=2) + "\n")


def measure(
    contender: Contender, projects: Mapping[str, Copy], python: Path | None, minutes: float, out: Path
) -> dict[str, Any]:
    """Train one contender and score it on the test images."""
    out.mkdir()
    cells, blood = projects[CELLS], projects[BLOOD]
    match contender:
        case Contender.cytopipe_classifier:
            about = train_ours(cells, "train_classifier", "classifiers", minutes)
            cells.run("python", "stages/evaluate.py", NETWORK)
            predictions = Predictions.read(cells.folder / classifier(NETWORK).predictions)
            return about | score_classes(cells, {row.id: row.predicted for row in predictions.rows})
        case Contender.cytopipe_segmenter:
            about = train_ours(blood, "train_segmenter", "segmenters", minutes)
            details = json.loads((blood.folder / segmenter(NETWORK).details).read_text())
            found = {part: details["metrics"][f"dice_{part}"]["value"] for part in ("cell", "nucleus")}
            return about | {f"dice_{part}": round(value, 4) for part, value in found.items()}
        case Contender.nnunet:
            about = train_peer(python, "segment_nnunet.py", blood.folder / Organized(BLOOD).folder, minutes, out)
            return about | score_masks(blood, out / "masks")
        case _:
            script = f"classify_{contender.value}.py"
            about = train_peer(python, script, cells.folder / Organized(CELLS).folder, minutes, out)
            return about | score_classes(cells, json.loads((out / "classes.json").read_text()))


def project(folder: Path, dataset: str, archives: Path) -> Copy:
    """A copy of the project with one organized dataset and one network, called `peer`."""
    copy = fresh(folder, ROOT / f"workflow/presets/{dataset}.yaml")
    copy.run("cytopipe", "preset", dataset, "--force", "--archive", str((archives / ARCHIVES[dataset]).resolve()))
    file = folder / "params.yaml"
    params = yaml.safe_load(file.read_text())
    name = params["datasets"][dataset]["segmenter"]
    own = params["segmenters"][name]
    params["datasets"] = {dataset: params["datasets"][dataset]}
    params["segmenters"] = {name: own} if dataset == CELLS else {NETWORK: own}
    params["datasets"][dataset]["segmenter"] = name if dataset == CELLS else NETWORK
    params |= {
        "classifiers": {NETWORK: CLASSIFIER | {"dataset": dataset}},
        "screenings": {},
        "evaluations": {},
        "tracking": {"enabled": False},
    }
    file.write_text(yaml.safe_dump(params, sort_keys=False))
    for stage in ("download", "organize"):
        copy.run("python", f"stages/{stage}.py", dataset)
    if dataset == CELLS:
        copy.run("python", "stages/train_segmenter.py", name)
        for stage in ("generate_masks", "build_tensors"):
            copy.run("python", f"stages/{stage}.py", dataset)
    return copy


def train_ours(copy: Copy, stage: str, section: str, minutes: float) -> dict[str, Any]:
    """Time an epoch, then train as many as the time allows."""
    command = [sys.executable, f"stages/{stage}.py", NETWORK]
    set_epochs(copy, section, 3)
    first, *_, last = run_watched(command, copy.folder)[0]
    epochs = max(2, int(60 * minutes / ((last - first) / 2)))
    set_epochs(copy, section, epochs)
    times, peak = run_watched(command, copy.folder)
    seconds = (times[-1] - times[0]) * epochs / (epochs - 1)  # the first epoch has no line before it
    (dataset,) = yaml.safe_load((copy.folder / "params.yaml").read_text())["datasets"]
    rows = read_manifest(copy.folder / Organized(dataset).manifest)
    images = epochs * sum(row.split == "train" for row in rows)
    return {"images_per_s": round(images / seconds, 1), "minutes": round(seconds / 60, 2), "peak_mib": peak}


def set_epochs(copy: Copy, section: str, epochs: int) -> None:
    """Set the epochs of the network in params.yaml."""
    file = copy.folder / "params.yaml"
    params = yaml.safe_load(file.read_text())
    params[section][NETWORK]["training"] |= {"epochs": epochs}
    file.write_text(yaml.safe_dump(params, sort_keys=False))


def train_peer(python: Path | None, script: str, data: Path, minutes: float, out: Path) -> dict[str, Any]:
    """Run a peer's script in the environment of the peers."""
    _, peak = run_watched([str(python), str(SCRIPTS / script), str(data), str(minutes), str(out)], out)
    seen = json.loads((out / "seen.json").read_text())
    return {
        "images_per_s": round(seen["images"] / seen["seconds"], 1),
        "minutes": round(seen["seconds"] / 60, 2),
        "peak_mib": peak,
    }


def run_watched(command: list[str], folder: Path) -> tuple[list[float], float]:
    """Run a command that must succeed; returns the times of its lines about an epoch, and its peak memory in MiB."""
    settings = {"YOLO_CONFIG_DIR": str(ENVIRONMENT), "OMP_NUM_THREADS": str(len(os.sched_getaffinity(0)))}
    own = {"PYTHONPATH": str(folder / "src")} if (folder / "src").exists() else {}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | settings | own
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    peak, over, times, lines = PeakMemory(), Event(), [], []
    watcher = Thread(target=peak.watch, args=(process.pid, over))
    watcher.start()
    assert process.stdout
    for line in process.stdout:
        lines.append(line)
        if re.search(r"epoch \d+:", line):
            times.append(time.perf_counter())
    over.set()
    watcher.join()
    if process.wait():
        raise SystemExit(f"{' '.join(command)} failed:\n{''.join(lines[-40:])}")
    return times, round(peak.mib)


def _memory(pid: int) -> float:
    total = 0
    try:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            total += process.memory_full_info().pss
    except psutil.Error:
        return total / 2**20
    return total / 2**20


def score_classes(copy: Copy, classes: Mapping[str, str]) -> dict[str, Any]:
    """Accuracy on the test images, with Wilson's interval."""
    test = [row for row in read_manifest(copy.folder / Organized(CELLS).manifest) if row.split == "test"]
    right = sum(classes[row.id] == row.label for row in test)
    limits = wilson(right, len(test)) or {}
    return {"accuracy": round(right / len(test), 4), **{name: round(value, 4) for name, value in limits.items()}}


def score_masks(copy: Copy, masks: Path) -> dict[str, Any]:
    """Mean Dice of cell and nucleus over the test images."""
    organized = copy.folder / Organized(BLOOD).folder
    rows = [row for row in read_manifest(organized / "manifest.csv") if row.split == "test" and row.mask_path]
    found = [
        overlap_of_parts(read_mask(organized / row.mask_path), read_labels(masks / f"{row.id}.png")) for row in rows
    ]
    return {
        f"dice_{part}": round(float(np.mean([one[f"dice_{part}"] for one in found])), 4) for part in ("cell", "nucleus")
    }


def read_labels(file: Path) -> np.ndarray:
    """nnU-Net's labels, H x W uint8, which are those of our palette."""
    import cv2

    labels = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if labels is None:
        raise SystemExit(f"{file} is missing")
    return np.asarray(labels)


def peers_python() -> Path:
    """Python of the environment with the peers, which is made once."""
    python = ENVIRONMENT / "bin/python"
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["bench"]
    record = ENVIRONMENT / "installed.json"
    if not record.exists() or json.loads(record.read_text()) != wanted:
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        site = Path(sysconfig.get_path("purelib"))
        own = ENVIRONMENT / "lib" / site.parent.name / "site-packages"
        (own / "project.pth").write_text(f"{site}\n")  # its torch; what the peers need besides comes first on the path
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        record.write_text(json.dumps(wanted))
    return python


if __name__ == "__main__":
    typer.run(main)
