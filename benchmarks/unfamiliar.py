"""How well the classifiers of a finished project tell images unlike their training images, and what that costs.

python benchmarks/unfamiliar.py --project FOLDER --write   also writes docs/unfamiliar.json

A model of an older version, which does not know its training images, is taught them here as the training would.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from cytopipe import paths
from cytopipe.core.params import load_params
from cytopipe.data.tensors import load_split
from cytopipe.evaluation.classifier.evaluate import evaluate
from cytopipe.evaluation.classifier.unfamiliar import Network, unfamiliar
from cytopipe.models.bundle import segmenter_of
from cytopipe.models.determinism import make_deterministic
from cytopipe.models.folder import load_model
from cytopipe.models.inference.segment import Segmentation
from cytopipe.training.data import Labelled
from cytopipe.training.familiarity import learn_familiar

RESULTS = Path(__file__).resolve().parent.parent / "docs/unfamiliar.json"
CPU = torch.device("cpu")


def measure(project: Path, name: str, dataset: str) -> dict[str, Any]:
    """Teach a classifier its training images, and measure it on the test images of its dataset."""
    folder, tensors = project / paths.classifier(name).model, project / paths.Tensors(dataset).folder
    model, spec = load_model(folder)
    train, validation = _labelled(tensors, "train"), _labelled(tensors, "val")
    groups = [row.group for row in load_split(tensors, "val")[1]]
    start = time.process_time()
    learnt = learn_familiar(model, spec, train, validation, groups, CPU)
    seconds = time.process_time() - start
    segmentation = None if spec.channels == "rgb" else Segmentation.load(segmenter_of(folder), CPU)
    spec = spec.model_copy(update={"familiarity": learnt.rule})
    network = Network(model, spec, learnt.familiar, segmentation, CPU)
    found = evaluate(folder, tensors, dataset, CPU)
    start = time.process_time()
    result = unfamiliar(found, [network], load_split(tensors, "test")[0])
    return {
        "dataset": dataset,
        "training_images": len(train.labels),
        "learning_seconds": round(seconds, 1),
        "testing_seconds": round(time.process_time() - start, 1),
        "kilobytes": round(len(learnt.familiar.to_bytes()) / 1024),
        **result.plain,
    }


def _labelled(tensors: Path, split: str) -> Labelled:
    items, rows = load_split(tensors, split)
    return Labelled(items, np.array([row.class_index for row in rows]))


def main(
    project: Annotated[Path, typer.Option(help="Folder of a finished project.")] = Path(),
    only: Annotated[list[str] | None, typer.Option(help="These classifiers alone.")] = None,
    write: Annotated[bool, typer.Option(help="Also write docs/unfamiliar.json.")] = False,
) -> None:
    """Print, for each classifier, the rate of false alarms on test images and what is found of altered ones."""
    make_deterministic(1)
    measured = {}
    for name, config in load_params(project / paths.PARAMS).classifiers.items():
        if only and name not in only:
            continue
        one = measured[name] = measure(project, name, config.dataset)
        alarms = one["false_alarms"]
        print(f"{name}: {one['learning_seconds']} s + {one['testing_seconds']} s, {one['kilobytes']} kB")
        print(f"  false alarms {alarms['value']:.4f} ({alarms['low']} to {alarms['high']}), holds: {one['holds']}")
        for kind, row in one["altered"].items():
            shares = (row["auroc"]["value"], row["flagged"]["value"], row["confident"], row["passed"])
            print("  {:16} AUROC {:.3f}, flagged {:.2f}, confident {:.2f}, passed {:.2f}".format(kind, *shares))
    if write:
        RESULTS.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
