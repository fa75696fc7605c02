"""Train a classifier: once, once per seed (`seeds: K`) or once per fold (`folds: K`); read it from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from cytopipe.core.params import STRETCH, Classifier, Fit
from cytopipe.data.augment import Augmenter
from cytopipe.data.tensors import join, load_all, load_split
from cytopipe.models.ensemble import mean_of
from cytopipe.models.files import fold_part, seed_part
from cytopipe.models.inference.classify import class_probabilities, input_transform
from cytopipe.models.transforms import InputTransform
from cytopipe.results.dataset import LeftOutSite
from cytopipe.results.guarantees import GuaranteeRule
from cytopipe.results.model_spec import DecisionRule
from cytopipe.training.classification import ClassificationTask, make_classifier
from cytopipe.training.data import Labelled, TrainingLoader
from cytopipe.training.decision_rule import choose_rule
from cytopipe.training.familiarity import learn_again, learn_familiar
from cytopipe.training.features import ToDevice, frozen_features
from cytopipe.training.feeding import host_augmenter
from cytopipe.training.fine_tuning import finish_fine_tuning, prepare_fine_tuning
from cytopipe.training.folds import draw_folds
from cytopipe.training.guarantees import choose_guarantees
from cytopipe.training.loop import Epoch
from cytopipe.training.losses import make_loss
from cytopipe.training.memory import FeatureMemory
from cytopipe.training.mixing import Mixer
from cytopipe.training.self_supervised import pretrain
from cytopipe.training.several import train as train_weights
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
        leave_out: how the dataset is divided, with split.kind: leave_out; the folds follow it.
        memory: what a frozen backbone makes of each image, for all networks of the job.
    """

    config: Classifier
    classes: tuple[str, ...]
    normal: Sequence[str]
    tensors: Path
    data_hash: str
    workspace: Workspace
    fit: Fit = STRETCH
    leave_out: LeftOutSite | None = None
    memory: FeatureMemory = field(default_factory=FeatureMemory, compare=False)


@dataclass(frozen=True)
class NetworkJob:
    """One network to train: its part of the model folder, its seed, its images, and in a fold its test images.

    `groups` are those of the validation images, `held_out` the test images of the fold and `tested` their ids. No step
    of the training sees them.
    """

    part: str
    seed: int
    train: Labelled
    validation: Labelled
    groups: Sequence[str]
    tested: Sequence[str] = ()
    held_out: Labelled | None = None


@dataclass(frozen=True)
class TrainedClassifier:
    """Networks by part of the model folder, and what is decided by all of them together.

    Attributes:
        networks: the networks by part of the model folder.
        folds: the fold in which each image is tested, by image id; empty without folds.
        judged: probabilities of the images that choose the decision rule, N x classes float64: with folds of all
            images in the order of `folds`, each by the network of its fold; else of the validation images, by the mean
            of the networks.
        rule: decision rule of the mean of several networks; None for a single one, whose specification has it.
        guarantees: what the mean of several networks guarantees for new groups.
    """

    networks: Mapping[str, Trained]
    folds: Mapping[str, int]
    judged: np.ndarray
    rule: DecisionRule | None = None
    guarantees: GuaranteeRule | None = None

    @property
    def history(self) -> Sequence[Epoch]:
        """The history of the first network."""
        return next(iter(self.networks.values())).history


def train_classifier(job: ClassifierJob) -> TrainedClassifier:
    """Train every network of a classifier.

    Only validation images choose the epoch and the decision rule; no network sees the images that it is tested on. The
    rule of several networks together, and what they guarantee, is chosen on out-of-fold predictions, or on the mean of
    those of the validation images where the networks differ in their seed.

    Raises:
        CytopipeError: there are too few groups, a fold lacks a class, or a loss is not finite.
    """
    networks, folds = dict[str, Trained](), dict[str, int]()
    outside = dict[str, tuple[int, np.ndarray]]()  # class index and probabilities, by image id
    for number, network in enumerate(network_jobs(job)):
        trained = networks[network.part] = train_network(job, network)
        folds |= dict.fromkeys(network.tested, number)
        if network.held_out is not None:
            found = validated(trained, network.held_out, job)
            outside |= dict(zip(network.tested, zip(network.held_out.labels, found, strict=True), strict=True))
        job.memory.detach()
    if outside:
        folds = dict(sorted(folds.items()))
        truth, judged = np.array([outside[id_][0] for id_ in folds]), np.stack([outside[id_][1] for id_ in folds])
        group_of = {row.id: row.group for row in load_all(job.tensors)[1]}
        groups: Sequence[str] = [group_of[id_] for id_ in folds]
    else:
        truth, groups = network.validation.labels, network.groups
        judged = mean_of([one.validation for one in networks.values() if one.validation is not None])
    if len(networks) == 1:
        return TrainedClassifier(networks, folds, judged)
    rule = choose_rule(truth, judged, job.classes, job.normal)
    promised = choose_guarantees(
        job.config.guarantees,
        truth,
        judged,
        groups,
        job.classes,
        rule,
        refitted=job.config.refit and not outside,
        calibrated_on="out-of-fold" if outside else "validation",
    )
    return TrainedClassifier(networks, folds, judged, rule, promised)


def network_jobs(job: ClassifierJob) -> Iterator[NetworkJob]:
    """The networks to train: one, one per seed (the first is the one without further seeds), or one per fold."""
    seed = job.config.training.seed
    if not job.config.folds:
        train, validation = labelled(job.tensors, "train"), labelled(job.tensors, "val")
        groups = [row.group for row in load_split(job.tensors, "val")[1]]
        for number in range(job.config.seeds):
            yield NetworkJob(seed_part(number), seed + number, train, validation, groups)
        return
    items, rows = load_all(job.tensors)
    labels = np.array([row.class_index for row in rows])
    folds = draw_folds(rows, job.config.folds, seed, "classifiers.*.folds", job.leave_out)
    for number, fold in enumerate(folds):
        parts = (fold.train, fold.validation, fold.test)
        train, validation, test = (Labelled(items.take(part), labels[part]) for part in parts)
        groups, tested = [rows[index].group for index in fold.validation], [rows[index].id for index in fold.test]
        yield NetworkJob(fold_part(number), seed, train, validation, groups, tested, test)


def labelled(tensors: Path, split: str) -> Labelled:
    """Stored items (N x S x S x 5 uint8) and class indices of a split."""
    items, rows = load_split(tensors, split)
    return Labelled(items, np.array([row.class_index for row in rows]))


def train_network(job: ClassifierJob, network: NetworkJob) -> Trained:
    """Train one network, choose its decision rule and measure what is familiar to it; with `refit`, train it again on
    the validation images too.

    The refitted network keeps the rules of the first one, because it has seen the images that choose them.
    """
    recipe = job.config.training.model_copy(update={"seed": network.seed})
    config = job.config.model_copy(update={"training": recipe})
    job, device = replace(job, config=config, workspace=job.workspace.of(network.part)), job.workspace.device
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
    known = learn_familiar(model, spec, network.train, network.validation, network.groups, device)
    familiar, spec = known.familiar, spec.model_copy(update={"familiarity": known.rule})
    if config.refit:
        images = join(network.train.items, network.validation.items)
        both = Labelled(images, np.concatenate([network.train.labels, network.validation.labels]))
        again = replace(job, workspace=job.workspace.of("refit"))
        model = fit_classifier(again, both, network.validation, last_epoch=True).model
        familiar = learn_again(known, model, spec, both, device)
    return Trained(model, spec, trained.history, probabilities, familiar, trained.pretraining)


def validated(trained: Trained, images: Labelled, job: ClassifierJob) -> np.ndarray:
    """Probabilities of images that the network was not trained on, N x classes."""
    transform = input_transform(trained.spec, job.workspace.device)
    return class_probabilities(trained.model, transform, images.items, tta=trained.spec.tta)


def fit_classifier(job: ClassifierJob, train: Labelled, validation: Labelled, last_epoch: bool = False) -> Trained:
    """Train a network on training images; validation images choose the epoch.

    With `self_supervised` the backbone is pretrained first, on the training images alone. If only the head changes
    during training, its input features are computed once.

    Args:
        job: supplies the recipe with its seed, the classes and the workspace.
        train, validation: N x S x S x 5 uint8 items and class indices.
        last_epoch: keep the last epoch, because the validation images are trained on too.

    Raises:
        CytopipeError: a loss is not finite; the network lacks what `fine_tune`, `layer_decay` or `self_supervised`
            need; or, for `head: svm`, images or backbone change from epoch to epoch.
    """
    config, recipe, place = job.config, job.config.training, job.workspace
    model, spec = make_classifier(config, job.classes, train.items.shape[1], job.data_hash, job.fit)
    model = model.to(place.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch
    transform = input_transform(spec, place.device)
    pretraining = pretrain(model, transform, train.items, recipe, place)
    prepare_fine_tuning(model, recipe)
    augmenter, mixer = Augmenter(recipe.augment, recipe.seed), Mixer(recipe.augment, recipe.seed, len(job.classes))
    loss = make_loss(recipe, train.labels, len(job.classes), place.device)
    fixed = augmenter.idle and mixer.idle
    features = frozen_features(model, transform, train, validation, place.scratch, job.memory) if fixed else None
    if config.head == "svm":
        svm, history = fit_svm_head(features, recipe, loss, len(job.classes), place.device)
        place.tell(history[0])
        return Trained(
            model.eval(), spec.model_copy(update={"precision": "fp32", "svm": svm}), history, pretraining=pretraining
        )

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
    history, precision = train_weights(trained, task, loader, recipe, place)
    finish_fine_tuning(model)
    spec = spec.model_copy(update={"precision": precision, **place.several})
    return Trained(model.eval(), spec, history, pretraining=pretraining)
