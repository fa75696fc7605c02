"""Train a classifier once, once a seed with `seeds: K`, or once a fold with `folds: K`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from cytopipe.data.tensors import join, load_all
from cytopipe.models.folder import ModelSpec, part_of, seed_part
from cytopipe.params import Classifier
from cytopipe.training.classifier import fit_classifier, labelled
from cytopipe.training.data import Labelled
from cytopipe.training.decision_rule import decide
from cytopipe.training.folds import draw_folds
from cytopipe.training.loop import Epoch
from cytopipe.training.workspace import Workspace


@dataclass(frozen=True)
class TrainedClassifier:
    """Networks by part of the model folder, the fold that tests each image (none without folds), and the history.

    With folds or seeds the history is the first one's.
    """

    models: Mapping[str, tuple[nn.Module, ModelSpec]]
    folds: Mapping[str, int]
    history: Sequence[Epoch]


def train_all(
    config: Classifier,
    classes: tuple[str, ...],
    tensors: Path,
    data_hash: str,
    workspace: Workspace,
    normal: Sequence[str] = (),
) -> TrainedClassifier:
    """Train on the training split, by every seed, or with folds on each fold's training images of all splits.

    The validation images alone choose the epoch and what the network decides; no network sees an image that it will
    be tested on.

    Args:
        config: of the classifier.
        classes: in the order of their indices.
        tensors: folder of the dataset's tensors.
        data_hash: SHA-256 of the training data, for the model folders.
        workspace: device, folders and progress.
        normal: classes without disease.

    Raises:
        CytopipeError: for too few groups, or a fold that lacks a class.
    """
    if not config.folds:
        return _train_seeds(config, classes, tensors, data_hash, workspace, normal)
    items, rows = load_all(tensors)
    labels = np.array([row.class_index for row in rows])
    models, tested_by, first = {}, {}, list[Epoch]()
    for number, fold in enumerate(draw_folds(rows, config.folds, config.training.seed, "classifiers.*.folds")):
        train, validation = (Labelled(items.take(part), labels[part]) for part in (fold.train, fold.validation))
        place = workspace.of(part_of(number))
        model, spec, history = _train_network(config, classes, train, validation, data_hash, place, normal)
        models[part_of(number)] = (model, spec)
        tested_by.update({rows[index].id: number for index in fold.test})
        first = first or history
    return TrainedClassifier(models, dict(sorted(tested_by.items())), first)


def _train_seeds(
    config: Classifier,
    classes: tuple[str, ...],
    tensors: Path,
    data_hash: str,
    workspace: Workspace,
    normal: Sequence[str],
) -> TrainedClassifier:
    """The first seed is the recipe's own, and its network the one that is used; no result chooses between them."""
    models, first = {}, list[Epoch]()
    train, validation = labelled(tensors, "train"), labelled(tensors, "val")
    for number in range(config.seeds):
        part = seed_part(number)
        recipe = config.training.model_copy(update={"seed": config.training.seed + number})
        seeded = config.model_copy(update={"training": recipe})
        place = workspace.of(part) if config.seeds > 1 else workspace
        model, spec, history = _train_network(seeded, classes, train, validation, data_hash, place, normal)
        models[part] = (model, spec)
        first = first or history
    return TrainedClassifier(models, {}, first)


def _train_network(
    config: Classifier,
    classes: tuple[str, ...],
    train: Labelled,
    validation: Labelled,
    data_hash: str,
    place: Workspace,
    normal: Sequence[str],
) -> tuple[nn.Module, ModelSpec, list[Epoch]]:
    """One network and what it decides, chosen on validation images; with `refit` trained anew on both after that.

    The decisions stay those of the first training, as the second has seen the images that would choose them.
    """
    model, spec, history = fit_classifier(config, classes, train, validation, data_hash, place)
    spec = decide(model, spec, validation, normal, place.device)
    if config.refit:
        both = Labelled(join(train.items, validation.items), np.concatenate([train.labels, validation.labels]))
        again = place.of(f"{place.part}/refit".strip("/"))
        model, _, _ = fit_classifier(config, classes, both, validation, data_hash, again, last=True)
    return model, spec, history
