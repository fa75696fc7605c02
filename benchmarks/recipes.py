"""What the options of a training change: each beside the plain recipe, on the same folds of the same white blood cells.

299 stained cells of four classes (wbc_dataset1.zip; the one basophil is left out), in three stratified folds. Every
recipe trains timm's mobilenetv2_100 for the same epochs with the same seed; its last epoch is tested, so that nothing
is chosen. Recipes from ImageNet weights are compared with the plain one from these, those from random weights with the
plain one from random weights. A difference is paired by image; p is corrected for the number of comparisons (Holm).

A few minutes on one core:

python benchmarks/recipes.py --archives ../shared/datasets --weights ../shared/weights
python benchmarks/recipes.py --archives ../shared/datasets --weights ../shared/weights --write    also docs/recipes.json
"""

from __future__ import annotations

import json
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from sklearn.model_selection import StratifiedKFold

from cytopipe.adapters.registry import adapter
from cytopipe.core.params import Classifier
from cytopipe.data.imaging.decode import read_rgb
from cytopipe.data.tensors import make_item
from cytopipe.metrics.comparison import holm
from cytopipe.metrics.paired import paired_difference
from cytopipe.models.determinism import make_deterministic
from cytopipe.models.inference.classify import class_probabilities, input_transform
from cytopipe.training.data import Labelled
from cytopipe.training.train_classifier import ClassifierJob, fit_classifier
from cytopipe.training.workspace import Workspace

RESULTS = Path(__file__).resolve().parents[1] / "docs/recipes.json"
SIDE, FOLDS, EPOCHS, PRETRAINING = 48, 3, 6, 3
TRAINING = {
    "epochs": EPOCHS,
    "batch_size": 16,
    "learning_rate": 5e-4,
    "weight_decay": 0.01,
    "warmup_epochs": 1,
    "precision": "fp32",
    "augment": {"flips": True, "rotation": 20, "brightness": 0.1, "contrast": 0.1},
}
PLAIN, RANDOM = "imagenet", "random"
RECIPES: dict[str, tuple[str, dict[str, Any]]] = {  # name: plain recipe to compare with, options
    PLAIN: (PLAIN, {}),
    "last_blocks": (PLAIN, {"fine_tune": {"kind": "last_blocks", "blocks": 4}}),
    "lora": (PLAIN, {"fine_tune": {"kind": "lora", "rank": 8, "alpha": 16}}),
    "layer_decay": (PLAIN, {"layer_decay": 0.75}),
    "ema": (PLAIN, {"ema": {"decay": 0.99}}),
    "simsiam": (PLAIN, {"self_supervised": {"method": "simsiam", "epochs": PRETRAINING}}),
    "vicreg": (PLAIN, {"self_supervised": {"method": "vicreg", "epochs": PRETRAINING}}),
    RANDOM: (RANDOM, {}),
    "random, simsiam": (RANDOM, {"self_supervised": {"method": "simsiam", "epochs": PRETRAINING}}),
}


def read_cells(archive: Path, folder: Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Images N x SIDE x SIDE x 5 uint8 without masks, their class indices, and the classes."""
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    wbc = adapter("wbc", "wbc")
    samples = [one for one in wbc.samples(folder, wbc.options()) if one.label != "basophil"]
    images = [read_rgb(one.image)[0] for one in samples]
    items = np.stack([make_item(image, np.zeros(image.shape[:2], np.uint8), SIDE) for image in images])
    classes = tuple(sorted({one.label for one in samples}))
    return items, np.array([classes.index(one.label) for one in samples]), classes


def answers(
    options: dict[str, Any], pretrained: Path, cells: tuple[np.ndarray, np.ndarray, tuple[str, ...]], folder: Path
) -> np.ndarray:
    """Whether each image is named rightly by the network that was not trained on it: N numbers, 0 or 1."""
    items, labels, classes = cells
    values: dict[str, Any] = {
        "dataset": "wbc",
        "architecture": "timm/mobilenetv2_100",
        "channels": "rgb",
        "pretrained": str(pretrained),
    }
    values["normalisation"] = {"mean": [0.5] * 3, "std": [0.5] * 3}
    config = Classifier.model_validate({**values, "training": {**TRAINING, **options}})
    found = np.zeros(len(items))
    for fold, (train, test) in enumerate(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(items, labels)):
        scratch = folder / str(fold)
        scratch.mkdir(parents=True)
        place = Workspace(torch.device("cpu"), 0, scratch, scratch / "checkpoints", lambda part, epoch: None)
        job = ClassifierJob(config, classes, (), folder, "0" * 64, place)
        seen = Labelled(items[train], labels[train])
        one = fit_classifier(job, seen, Labelled(seen.items[:2], seen.labels[:2]), last_epoch=True)
        named = class_probabilities(one.model, input_transform(one.spec, place.device), items[test])
        found[test] = named.argmax(axis=1) == labels[test]
    return found


def compared(right: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """A row per recipe: its accuracy, and its paired difference from the plain recipe of the same first weights."""
    images = [str(number) for number in range(len(right[PLAIN]))]
    pairs = {(name, base): right[name] - right[base] for name, (base, _) in RECIPES.items() if name != base}
    found = {pair: paired_difference(values, images) for pair, values in pairs.items()}
    corrected = holm({pair: one.p for pair, one in found.items() if one.p is not None})
    rows = []
    for name, (base, options) in RECIPES.items():
        row: dict[str, Any] = {"recipe": name, "options": options, "accuracy": round(float(right[name].mean()), 4)}
        if (one := found.get((name, base))) is not None:
            limits = (one.estimate, one.low or 0.0, one.high or 0.0)
            row |= {
                "beside": base,
                **dict(zip(("difference", "low", "high"), (round(x, 4) for x in limits), strict=True)),
            }
            row["p_holm"] = round(corrected[name, base], 4)
        rows.append(row)
    return rows


def main(
    archives: Annotated[Path, typer.Option(help="Folder of wbc_dataset1.zip.")],
    weights: Annotated[Path, typer.Option(help="Folder of mobilenetv2_100_imagenet.safetensors.")],
    write: Annotated[bool, typer.Option("--write", help="Write docs/recipes.json.")] = False,
) -> None:
    """Train every recipe in every fold, and compare."""
    make_deterministic(1)
    starts = {PLAIN: weights / "mobilenetv2_100_imagenet.safetensors", RANDOM: Path("workflow/weights/none")}
    with tempfile.TemporaryDirectory() as temporary:
        folder, right = Path(temporary), dict[str, np.ndarray]()
        cells = read_cells(archives / "wbc_dataset1.zip", folder / "raw")
        for number, (name, (base, options)) in enumerate(RECIPES.items()):
            began = time.process_time()
            right[name] = answers(options, starts[base], cells, folder / f"work{number}")
            print(f"{name}: {right[name].mean():.3f} ({time.process_time() - began:.0f} s of processor)", flush=True)
    rows = compared(right)
    for row in rows:
        print(row)
    if write:
        record = {
            "images": len(cells[0]),
            "classes": list(cells[2]),
            "folds": FOLDS,
            "side": SIDE,
            "training": TRAINING,
        }
        record["recipes"] = rows
        RESULTS.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
