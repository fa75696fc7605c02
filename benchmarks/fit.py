"""What `fit` does to accuracy on real Herlev: cross-validation of the development images, with paired intervals.

    python benchmarks/fit.py --archive herlev_smear2005.zip --weights mobilenetv2_100_imagenet.safetensors

The images and their grouped split are those of the preset herlev-regions; its test images are never read. Folds are of
whole groups. The network is the preset's regions-rgb, shortened: the features of a frozen network, averaged over the
image, with a small network on top, which alone is trained. For every fit the folds, the seeds and the order of the
batches are the same, so that an image is compared with itself.
"""

from __future__ import annotations

import argparse
import json
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
from cytopipe.data.augment import Augmenter
from cytopipe.data.imaging.decode import read_png
from cytopipe.data.manifest import Row
from cytopipe.data.organize import organize
from cytopipe.data.tensors import make_item
from cytopipe.metrics.bootstrap import group_draws, interval
from cytopipe.models.determinism import make_deterministic
from cytopipe.models.heads import head_of
from cytopipe.models.inference.classify import input_transform
from cytopipe.sources.fetch import fetch
from cytopipe.training.classification import ClassificationTask, make_classifier
from cytopipe.training.data import Labelled, TrainingLoader
from cytopipe.training.features import ToDevice, frozen_features
from cytopipe.training.folds import draw_folds
from cytopipe.training.loop import fit
from cytopipe.training.losses import make_loss
from stand_ins import NoCheckpoint

OUT = Path("docs/fit.json")
REPLICATES = 1000  # of the bootstrap; with 195 groups its interval covers what it says
CPU = torch.device("cpu")
SIDE = 128  # of the squares, pixels
# Shortened, so that one core needs minutes: the preset has squares of 224 px, a network of 320, 4 turns and 120 epochs.
SHORTENED = {"input_size": None, "arguments": {"turns": 1}}
LARGEST = 224  # longest side in this copy of Herlev, pixels: at this scale no image is cropped


def development(
    archive: Path, work: Path, preset: str = "herlev-regions", name: str = "herlev"
) -> tuple[list[Row], tuple[str, ...], Path]:
    """The manifest of a preset's development images, the classes, and the folder of the organized images."""
    values = yaml.safe_load((paths.PRESETS / f"{preset}.yaml").read_text())["datasets"][name]
    dataset = Dataset.model_validate(values | {"source": {"kind": "archive", "path": str(archive)}})
    raw, folder = work / "raw", work / "organized"
    folders = {part: folder / part for part in (*SPLITS, "masks")}
    for path in (raw, *folders.values()):
        path.mkdir(parents=True)
    fetch(dataset.source, raw, dataset=name, cache=work / "downloads")
    rows, summary = organize(name, dataset, raw, folders, lambda items, _: items, worker_count("auto"))
    return [row for row in rows if row.split != "test"], tuple(summary["classes"]), folder


def items_of(rows: list[Row], folder: Path, side: int, fit: Fit) -> np.ndarray:
    """Stored items, N x side x side x 5 uint8; masks are empty, because the network sees none."""
    items = []
    for row in rows:
        image = read_png(folder / row.path)
        items.append(make_item(image, np.zeros(image.shape[:2], np.uint8), side, fit))
    return np.stack(items)


def recipe(weights: Path, epochs: int) -> Classifier:
    """The preset's regions-rgb."""
    preset = yaml.safe_load((paths.PRESETS / "herlev-regions.yaml").read_text())["classifiers"]["regions-rgb"]
    training = preset["training"] | {"epochs": epochs, "warmup_epochs": max(1, epochs // 10)}
    return Classifier.model_validate(preset | SHORTENED | {"pretrained": str(weights), "training": training})


def features_of(items: np.ndarray, labels: np.ndarray, classes: int, config: Classifier, folder: Path) -> np.ndarray:
    """What the frozen network sees in each image, N x D float32: the inputs of the head."""
    folder.mkdir(parents=True)
    model, spec = make_classifier(config, tuple(map(str, range(classes))), items.shape[1], "0" * 64)
    images = Labelled(items, labels)
    found = frozen_features(model, input_transform(spec, CPU), images, Labelled(items[:1], labels[:1]), folder)
    if found is None:
        raise SystemExit("the backbone is not frozen")
    return np.array(found.train.items)


def out_of_fold(
    rows: list[Row], features: np.ndarray, config: Classifier, folds: int, seed: int, side: int
) -> np.ndarray:
    """Probabilities of each image by the network that was not trained on its group, N x classes."""
    labels = np.array([row.class_index for row in rows])
    classes = tuple(map(str, range(labels.max() + 1)))
    recipe = config.training.model_copy(update={"seed": seed})
    config = config.model_copy(update={"training": recipe})
    found = np.full((len(rows), len(classes)), np.nan)
    for fold in draw_folds(rows, folds, 0, "folds"):
        head = head_of(make_classifier(config, classes, side, "0" * 64)[0])[1]
        seen = np.sort(np.concatenate([fold.train, fold.validation]))  # no image chooses an epoch: the last one counts
        train, tested = Labelled(features[seen], labels[seen]), Labelled(features[fold.test], labels[fold.test])
        loss = make_loss(recipe, train.labels, len(classes), CPU)
        task = ClassificationTask(head, ToDevice(CPU), train.labels, tested, loss, recipe.batch_size, last_epoch=True)
        augmenter = Augmenter(recipe.augment, seed)
        loader = TrainingLoader(train.items, augmenter, recipe.batch_size, seed, 0, recipe.steps_per_epoch, None)
        fit(head, task, loader, recipe, CPU, NoCheckpoint(), lambda _: None)  # type: ignore[arg-type]
        with torch.inference_mode():
            found[fold.test] = head.eval()(torch.from_numpy(features[fold.test])).softmax(1).numpy()
    return found


def compared(rows: list[Row], answers: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Differences of the mean accuracy over seeds, paired by image, with intervals of a bootstrap over groups."""
    draws = group_draws([row.group for row in rows], REPLICATES)
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
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    make_deterministic(1)
    config = recipe(asked.weights, asked.epochs)
    fits: dict[str, Fit] = {
        "stretch": "stretch",
        "pad": "pad",
        "scale": Scale(kind="scale", source_pixels=LARGEST / SIDE),
    }
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        rows, classes, organized = development(asked.archive, work)
        labels = np.array([row.class_index for row in rows])
        features = {}
        for name, how in fits.items():
            start = time.perf_counter()
            items = items_of(rows, organized, SIDE, how)
            features[name] = features_of(items, labels, len(classes), config, work / name)
            print(f"{name}: features {features[name].shape} ({time.perf_counter() - start:.0f} s)", flush=True)
    answers: dict[str, list[np.ndarray]] = {name: [] for name in fits}
    for seed in range(asked.seeds):
        start = time.perf_counter()
        for name, seen in features.items():
            named = out_of_fold(rows, seen, config, asked.folds, seed, SIDE).argmax(axis=1)
            answers[name].append((named == labels).astype(float))
        shown = ", ".join(f"{name} {known[-1].mean():.4f}" for name, known in answers.items())
        print(f"seed {seed}: {shown} ({time.perf_counter() - start:.0f} s)", flush=True)
        _write(asked, rows, {name: np.stack(known) for name, known in answers.items()})


def _write(asked: argparse.Namespace, rows: list[Row], answers: dict[str, np.ndarray]) -> None:
    longer = [max(row.width, row.height) for row in rows]
    shapes = [side / min(row.width, row.height) for side, row in zip(longer, rows, strict=True)]
    result = {
        "dataset": "herlev, development images",
        "images": len(rows),
        "groups": len({row.group for row in rows}),
        "aspect_ratio": {"median": round(float(np.median(shapes)), 3), "max": round(max(shapes), 3)},
        "longer_side_px": [min(longer), max(longer)],
        "network": "regions-rgb of the preset herlev-regions: mobilenetv2_100, ImageNet weights, frozen",
        "size": SIDE,
        "epochs": asked.epochs,
        "folds": asked.folds,
        "seeds": len(next(iter(answers.values()))),
        "source_pixels": LARGEST / SIDE,
        "accuracy": {
            name: {"mean": round(float(found.mean()), 4), "by_seed": [round(float(by.mean()), 4) for by in found]}
            for name, found in answers.items()
        },
        "differences": compared(rows, answers),
    }
    asked.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
