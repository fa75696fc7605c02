"""What `fit` does to accuracy on real Herlev: cross-validation of the development images, with paired intervals.

    python benchmarks/fit.py --archive herlev_smear2005.zip --weights mobilenetv2_100_imagenet.safetensors

The images and their grouped split are those of the preset herlev; its test images are never read. Folds are of whole
groups. The network is the preset's mobilenet, at fewer pixels and epochs. For every fit the folds, the seeds and the
order of the batches are the same, so that an image is compared with itself.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from cytopipe import paths
from cytopipe.core.io.workers import worker_count
from cytopipe.core.params import SPLITS, Classifier, Dataset, Fit, Scale
from cytopipe.data.imaging.decode import read_png
from cytopipe.data.imaging.fit import place
from cytopipe.data.manifest import Row
from cytopipe.data.organize import organize
from cytopipe.data.tensors import make_item
from cytopipe.metrics.classification import group_draws, interval
from cytopipe.metrics.comparison import paired_bootstrap
from cytopipe.models.determinism import make_deterministic
from cytopipe.models.inference.classify import class_probabilities, input_transform
from cytopipe.sources.fetch import fetch
from cytopipe.training.data import Labelled
from cytopipe.training.folds import draw_folds
from cytopipe.training.train_classifier import ClassifierJob, NetworkJob, train_network
from cytopipe.training.workspace import Workspace

OUT = Path("docs/fit.json")
LARGEST = 224  # longest side in this copy of Herlev, pixels: at this scale no image is cropped


def development(archive: Path, work: Path) -> tuple[list[Row], tuple[str, ...], Path]:
    """The manifest of the development images, the classes, and the folder of the organized images."""
    preset = yaml.safe_load((paths.PRESETS / "herlev.yaml").read_text())["datasets"]["herlev"]
    dataset = Dataset.model_validate(preset | {"source": {"kind": "archive", "path": str(archive)}})
    raw, folder = work / "raw", work / "organized"
    folders = {name: folder / name for name in (*SPLITS, "masks")}
    for path in (raw, *folders.values()):
        path.mkdir(parents=True)
    fetch(dataset.source, raw, dataset="herlev", cache=work / "downloads")
    rows, summary = organize("herlev", dataset, raw, folders, lambda items, _: items, worker_count("auto"))
    return [row for row in rows if row.split != "test"], tuple(summary["classes"]), folder


def items_of(rows: list[Row], folder: Path, side: int, fit: Fit) -> np.ndarray:
    """Stored items, N x side x side x 5 uint8; masks are empty, because the network sees none."""
    items = []
    for row in rows:
        image = read_png(folder / row.path)
        items.append(make_item(image, np.zeros(image.shape[:2], np.uint8), place(*image.shape[:2], side, fit)))
    return np.stack(items)


def recipe(weights: Path, epochs: int) -> Classifier:
    """The preset's mobilenet with fewer epochs, and without averaging over turned images."""
    preset = yaml.safe_load((paths.PRESETS / "herlev.yaml").read_text())["classifiers"]["mobilenet"]
    training = preset["training"] | {"epochs": epochs}
    return Classifier.model_validate(preset | {"pretrained": str(weights), "tta": 1, "folds": 0, "training": training})


def right(
    rows: list[Row], items: np.ndarray, classes: tuple[str, ...], config: Classifier, folds: int, seed: int, work: Path
) -> np.ndarray:
    """Whether the network that was not trained on an image's group names it rightly: N numbers, 0 or 1."""
    labels = np.array([row.class_index for row in rows])
    found = np.full(len(rows), np.nan)
    shutil.rmtree(work, ignore_errors=True)
    for number, fold in enumerate(draw_folds(rows, folds, 0, "folds")):
        place = Workspace(torch.device("cpu"), 1, work / "scratch", work / "checkpoints", lambda part, epoch: None)
        job = ClassifierJob(config, classes, (), work, "0" * 64, place)
        train, validation = (Labelled(items[part], labels[part]) for part in (fold.train, fold.validation))
        trained = train_network(job, NetworkJob(f"folds/{number}", seed, train, validation))
        transform = input_transform(trained.spec, place.device)
        probabilities = class_probabilities(trained.model, transform, items[fold.test])
        found[fold.test] = probabilities.argmax(axis=1) == labels[fold.test]
    return found


def compared(rows: list[Row], answers: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Differences of the mean accuracy over seeds, paired by image, with intervals of a bootstrap over groups."""
    draws = group_draws([row.group for row in rows])
    pairs = []
    for first, second in combinations(answers, 2):
        gain = answers[second].mean(axis=0) - answers[first].mean(axis=0)
        limits = interval([float(gain[drawn].mean()) for drawn in draws])
        assert limits is not None
        pairs.append(
            {
                "first": first,
                "second": second,
                "difference": round(float(gain.mean()), 4),
                "low": round(limits["low"], 4),
                "high": round(limits["high"], 4),
                "p": round(paired_bootstrap(gain, draws) or 1.0, 4),
                "by_seed": [round(float(by.mean()), 4) for by in answers[second] - answers[first]],
                "resolved": limits["low"] > 0 or limits["high"] < 0,
            }
        )
    return pairs


def main() -> None:
    """Measure and write docs/fit.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", type=Path, required=True, help="herlev_smear2005.zip")
    parser.add_argument("--weights", type=Path, required=True, help="ImageNet weights of timm's mobilenetv2_100")
    parser.add_argument("--size", type=int, default=64, help="side of the squares, pixels")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    make_deterministic(1)
    fits: dict[str, Fit] = {
        "stretch": "stretch",
        "pad": "pad",
        "scale": Scale(kind="scale", source_pixels=LARGEST / asked.size),
    }
    config = recipe(asked.weights, asked.epochs)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        rows, classes, organized = development(asked.archive, work)
        answers: dict[str, list[np.ndarray]] = {name: [] for name in fits}
        items = {name: items_of(rows, organized, asked.size, fit) for name, fit in fits.items()}
        for seed in range(asked.seeds):
            for name in fits:
                start = time.perf_counter()
                answers[name].append(right(rows, items[name], classes, config, asked.folds, seed, work / "training"))
                minutes = (time.perf_counter() - start) / 60
                print(f"seed {seed}, {name}: {answers[name][-1].mean():.4f} ({minutes:.1f} min)", flush=True)
                stacked = {one: np.stack(known) for one, known in answers.items() if known}
                if len({len(known) for known in answers.values()}) == 1:  # every fit has the same seeds
                    _write(asked, rows, stacked)


def _write(asked: argparse.Namespace, rows: list[Row], answers: dict[str, np.ndarray]) -> None:
    shapes = [max(row.width, row.height) / min(row.width, row.height) for row in rows]
    result = {
        "dataset": "herlev, development images",
        "images": len(rows),
        "groups": len({row.group for row in rows}),
        "aspect_ratio": {"median": round(float(np.median(shapes)), 3), "max": round(max(shapes), 3)},
        "longer_side_px": [min(max(row.width, row.height) for row in rows), max(max(row.width, row.height) for row in rows)],
        "network": "timm/mobilenetv2_100, ImageNet weights",
        "size": asked.size,
        "epochs": asked.epochs,
        "folds": asked.folds,
        "seeds": len(next(iter(answers.values()))),
        "source_pixels": LARGEST / asked.size,
        "accuracy": {
            name: {"mean": round(float(found.mean()), 4), "by_seed": [round(float(by.mean()), 4) for by in found]}
            for name, found in answers.items()
        },
        "differences": compared(rows, answers),
    }
    asked.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
