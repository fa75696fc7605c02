"""Train a classifier: once, once per seed (`seeds: K`) or once per fold (`folds: K`); read it from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from cytopipe.core.params import STRETCH, Classifier, Fit
from cytopipe.data.augment import Augmenter
from cytopipe.data.tensors import join, load_all, load_split
from cytopipe.models.files import fold_part, seed_part
from cytopipe.models.inference.classify import class_probabilities, input_transform
from cytopipe.models.transforms import InputTransform
from cytopipe.training.classification import ClassificationTask, make_classifier
from cytopipe.training.data import Labelled, TrainingLoader
from cytopipe.training.decision_rule import choose_rule
from cytopipe.training.features import ToDevice, frozen_features
from cytopipe.training.feeding import host_augmenter
from cytopipe.training.folds import draw_folds
from cytopipe.training.guarantees import choose_guarantees
from cytopipe.training.loop import Epoch, fit
from cytopipe.training.losses import make_loss
from cytopipe.training.mixing import Mixer
from cytopipe.training.svm import fit_svm_head
from cytopipe.training.trained import Trained
from cytopipe.training.workspace import Workspace


@dataclass(frozen=True)
class ClassifierJob:
    """A classifier to train; its trainings share these fields.

    Attributes:
        config: parameters of the classifier.
        classes: names of the classes, in the order of their indices.
        normal: names of the classes without disease.
        tensors: folder of the dataset's tensors.
        data_hash: SHA-256 of the training data, for the model folders.
        workspace: device, folders and progress reports.
        fit: how the images became the squares of the tensors.
    """

    config: Classifier
    classes: tuple[str, ...]
    normal: Sequence[str]
    tensors: Path
    data_hash: str
    workspace: Workspace
    fit: Fit = STRETCH


@dataclass(frozen=True)
class NetworkJob:
    """One network to train: its part of the model folder, its seed, its images, and the ids of its test images.

    `groups` are those of the validation images.
    """

    part: str
    seed: int
    train: Labelled
    validation: Labelled
    groups: Sequence[str]
    tested: Sequence[str] = ()


@dataclass(frozen=True)
class TrainedClassifier:
    """Networks by part of the model folder, and the fold in which each image is tested (empty without folds)."""

    networks: Mapping[str, Trained]
    folds: Mapping[str, int]

    @property
    def history(self) -> Sequence[Epoch]:
        """The history of the first network."""
        return next(iter(self.networks.values())).history


def train_classifier(job: ClassifierJob) -> TrainedClassifier:
    """Train every network of a classifier.

    Only validation images choose the epoch and the decision rule; no network sees the images that it is tested on.

    Raises:
        CytopipeError: there are too few groups, a fold lacks a class, or a loss is not finite.
    """
    networks, folds = dict[str, Trained](), dict[str, int]()
    for number, network in enumerate(network_jobs(job)):
        networks[network.part] = train_network(job, network)
        folds |= dict.fromkeys(network.tested, number)
    return TrainedClassifier(networks, dict(sorted(folds.items())))


def network_jobs(job: ClassifierJob) -> Iterator[NetworkJob]:
    """The networks to train: one, one per seed (the first is always the one in use), or one per fold."""
    seed = job.config.training.seed
    if not job.config.folds:
        train, validation = labelled(job.tensors, "train"), labelled(job.tensors, "val")
        groups = [row.group for row in load_split(job.tensors, "val")[1]]
        for number in range(job.config.seeds):
            yield NetworkJob(seed_part(number), seed + number, train, validation, groups)
        return
    items, rows = load_all(job.tensors)
    labels = np.array([row.class_index for row in rows])
    for number, fold in enumerate(draw_folds(rows, job.config.folds, seed, "classifiers.*.folds")):
        train, validation = (Labelled(items.take(part), labels[part]) for part in (fold.train, fold.validation))
        groups = [rows[index].group for index in fold.validation]
        yield NetworkJob(fold_part(number), seed, train, validation, groups, [rows[index].id for index in fold.test])


def labelled(tensors: Path, split: str) -> Labelled:
    """Stored items (N x S x S x 5 uint8) and class indices of a split."""
    items, rows = load_split(tensors, split)
    return Labelled(items, np.array([row.class_index for row in rows]))


def train_network(job: ClassifierJob, network: NetworkJob) -> Trained:
    """Train one network and choose its decision rule; with `refit`, train it again on the validation images too.

    The refitted network keeps the rule of the first one, because it has seen the images that choose the rule.
    """
    recipe = job.config.training.model_copy(update={"seed": network.seed})
    config = job.config.model_copy(update={"training": recipe})
    job = replace(job, config=config, workspace=job.workspace.of(network.part))
    trained = fit_classifier(job, network.train, network.validation)
    probabilities = validated(trained, network.validation, job)
    truth = network.validation.labels
    rule = choose_rule(truth, probabilities, job.classes, job.normal)
    promised = choose_guarantees(
        config.guarantees, truth, probabilities, network.groups, job.classes, rule, config.refit
    )
    used = {"num_threads": torch.get_num_threads(), "cpu": job.workspace.cpu}
    spec = trained.spec.model_copy(update={"decision_rule": rule, "guarantees": promised, **used})
    model = trained.model
    if config.refit:
        images = join(network.train.items, network.validation.items)
        both = Labelled(images, np.concatenate([network.train.labels, network.validation.labels]))
        again = replace(job, workspace=job.workspace.of("refit"))
        model = fit_classifier(again, both, network.validation, last_epoch=True).model
    return Trained(model, spec, trained.history, probabilities)


def validated(trained: Trained, validation: Labelled, job: ClassifierJob) -> np.ndarray:
    """Probabilities of the validation images, N x classes."""
    transform = input_transform(trained.spec, job.workspace.device)
    return class_probabilities(trained.model, transform, validation.items, tta=trained.spec.tta)


def fit_classifier(job: ClassifierJob, train: Labelled, validation: Labelled, last_epoch: bool = False) -> Trained:
    """Train a network on training images; validation images choose the epoch.

    If only the head changes during training, its input features are computed once.

    Args:
        job: supplies the recipe with its seed, the classes and the workspace.
        train, validation: N x S x S x 5 uint8 items and class indices.
        last_epoch: keep the last epoch, because the validation images are trained on too.

    Raises:
        CytopipeError: a loss is not finite; or, for `head: svm`, images or backbone change from epoch to epoch.
    """
    config, recipe, place = job.config, job.config.training, job.workspace
    model, spec = make_classifier(config, job.classes, train.items.shape[1], job.data_hash, job.fit)
    model = model.to(place.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch
    transform = input_transform(spec, place.device)
    augmenter, mixer = Augmenter(recipe.augment, recipe.seed), Mixer(recipe.augment, recipe.seed, len(job.classes))
    loss = make_loss(recipe, train.labels, len(job.classes), place.device)
    fixed = augmenter.idle and mixer.idle
    features = frozen_features(model, transform, train, validation, place.scratch) if fixed else None
    if config.head == "svm":
        svm, history = fit_svm_head(features, recipe, loss, len(job.classes), place.device)
        place.tell(history[0])
        return Trained(model.eval(), spec.model_copy(update={"precision": "fp32", "svm": svm}), history)

    trained, workers = model, place.num_workers
    channels: int | None = transform.needed
    seen: InputTransform | ToDevice = transform
    if features is not None:
        trained, train, validation = features
        seen, workers, channels = ToDevice(place.device), 0, None
    task = ClassificationTask(
        trained,
        seen,
        train.labels,
        validation,
        loss,
        recipe.batch_size,
        mixer=mixer,
        last_epoch=last_epoch,
        compile=recipe.compile,
    )
    loader = TrainingLoader(
        train.items, host_augmenter(recipe), recipe.batch_size, recipe.seed, workers, recipe.steps_per_epoch, channels
    )
    history, precision = fit(trained, task, loader, recipe, place.device, place.checkpoint, place.tell)
    return Trained(model.eval(), spec.model_copy(update={"precision": precision}), history)
