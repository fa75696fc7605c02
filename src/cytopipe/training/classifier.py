"""Train a classifier of cells: best epoch by validation accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import nn

from cytopipe.data.augment import Augmenter
from cytopipe.data.tensors import load_split
from cytopipe.errors import CytopipeError
from cytopipe.inference.classify import input_transform
from cytopipe.models.folder import ModelSpec
from cytopipe.models.heads import build_classifier
from cytopipe.models.pretrained import Normalisation, load_pretrained
from cytopipe.models.transforms import CHANNEL_COUNT, InputTransform, batches
from cytopipe.params import Classifier, Training
from cytopipe.training.data import Batch, Labelled, TrainingLoader
from cytopipe.training.determinism import seed_epoch
from cytopipe.training.features import Features, ToDevice, frozen_features
from cytopipe.training.loop import Epoch, fit
from cytopipe.training.losses import Loss, make_loss
from cytopipe.training.mixing import Mixer
from cytopipe.training.svm import fit_svm
from cytopipe.training.workspace import Workspace


class ClassificationTask:
    """A loss of the classes; validation accuracy chooses the epoch, the loss breaks ties.

    Args:
        model: returns N x classes logits.
        transform: of stored items.
        labels: class index of every training image.
        validation: stored items (N x H x W x 5 uint8, or features) and their class indices.
        loss: smoothed in training only.
        batch_size: of the validation.
        mixer: of training batches, or None.
        last: take the last epoch, as the validation images are trained on.
    """

    def __init__(
        self,
        model: nn.Module,
        transform: InputTransform | ToDevice,
        labels: np.ndarray,
        validation: Labelled,
        loss: Loss,
        batch_size: int,
        mixer: Mixer | None = None,
        last: bool = False,
    ) -> None:
        self.model, self.transform, self.validation = model, transform, validation
        self.labels = torch.from_numpy(labels)
        self.loss, self.batch_size, self.mixer, self.last = loss, batch_size, mixer, last

    def step(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """Loss of a batch, and its accuracy (where images are mixed: against the larger label)."""
        target = truth = self.labels[batch.indices].to(self.transform.device)
        images = self.transform(batch.items)
        if self.mixer is not None:
            images, target = self.mixer(images, truth, batch.epoch, batch.step)
            truth = target.argmax(dim=1)
        logits = self.model(images).float()
        return self.loss(logits, target), {"accuracy": float((logits.detach().argmax(dim=1) == truth).float().mean())}

    def validate(self) -> dict[str, float]:
        """Loss (unsmoothed), accuracy and macro F1."""
        return self.measure(self.validation)

    def measure(self, data: Labelled) -> dict[str, float]:
        """The validation's measures, of any images."""
        items, truth = data
        logits = torch.cat([self.model(self.transform(part)).float() for _, part in batches(items, self.batch_size)])
        target = torch.from_numpy(truth).to(logits.device)
        predicted = logits.argmax(dim=1).cpu().numpy()
        return {
            "loss": float(self.loss.unsmoothed(logits, target)),
            "accuracy": float((predicted == truth).mean()),
            "macro_f1": float(f1_score(truth, predicted, average="macro", zero_division=0.0)),
        }

    def rank(self, measures: dict[str, float]) -> tuple[float, ...]:
        """By accuracy, then by loss."""
        return (measures["epoch"],) if self.last else (measures["accuracy"], -measures["loss"])


def make_classifier(
    config: Classifier, classes: tuple[str, ...], input_size: int, data_hash: str
) -> tuple[nn.Module, ModelSpec]:
    """An initialised network and the specification of its folder; `input_size` is that of the stored images."""
    seed_epoch(config.training.seed, -1 % 2**32)
    count = CHANNEL_COUNT[config.channels]
    arguments = {**config.arguments, "num_classes": len(classes), "in_channels": count}
    model = build_classifier(
        config.architecture, arguments, head=config.head, activation=config.activation, freeze=config.freeze
    )
    chosen = config.normalisation
    given = Normalisation(chosen.mean, chosen.std) if chosen else None
    colours = load_pretrained(model, config.pretrained, normalisation=given)
    # Mask channels are 0 or 1; centred like the colours, they keep the scale that the stem expects.
    masks = count - len(colours.mean)
    spec = ModelSpec(
        task="classification",
        architecture=config.architecture,
        arguments=arguments,
        head=config.head,
        activation=config.activation,
        freeze=config.freeze,
        classes=classes,
        channels=config.channels,
        input_size=input_size,
        resized_to=config.input_size,
        mean=(*colours.mean, *[0.5] * masks),
        std=(*colours.std, *[0.5] * masks),
        tta=config.tta,
        training_data_sha256=data_hash,
    )
    return model, spec


def labelled(tensors: Path, split: str) -> Labelled:
    """Items and class indices of a split."""
    items, rows = load_split(tensors, split)
    return Labelled(items, np.array([row.class_index for row in rows]))


def fit_classifier(
    config: Classifier,
    classes: tuple[str, ...],
    train: Labelled,
    validation: Labelled,
    data_hash: str,
    workspace: Workspace,
    last: bool = False,
) -> tuple[nn.Module, ModelSpec, list[Epoch]]:
    """Train on some images; others choose the epoch.

    Where nothing but the tail changes from epoch to epoch, what the tail sees is computed once.

    Args:
        config: of the classifier.
        classes: in the order of their indices.
        train, validation: N x S x S x 5 uint8 items and class indices.
        data_hash: SHA-256 of the training data, for the model folder.
        workspace: device, folders and progress.
        last: take the last epoch, as the validation images are trained on.

    Returns:
        The network with the weights of its best epoch, its specification and the history.

    Raises:
        CytopipeError: for `head: svm` where images change from epoch to epoch, or the backbone does.
    """
    recipe = config.training
    model, spec = make_classifier(config, classes, train.items.shape[1], data_hash)
    model = model.to(workspace.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    transform = input_transform(spec, workspace.device)
    augmenter, mixer = Augmenter(recipe.augment, recipe.seed), Mixer(recipe.augment, recipe.seed, len(classes))
    loss = make_loss(recipe, train.labels, len(classes), workspace.device)
    unchanged = augmenter.idle and mixer.idle
    features = frozen_features(model, transform, train, validation, workspace.scratch) if unchanged else None
    if config.head == "svm":
        history, extra = _fit_svm(features, recipe, loss, len(classes), workspace)
        return model.eval(), spec.model_copy(update={"extra": extra}), history

    if features is not None:
        task = _task_of(features, recipe, loss, workspace.device, last)
        loader = TrainingLoader(
            features.train.items, augmenter, recipe.batch_size, recipe.seed, 0, recipe.steps_per_epoch
        )
    else:
        task = ClassificationTask(
            model, transform, train.labels, validation, loss, recipe.batch_size, None if mixer.idle else mixer, last
        )
        loader = TrainingLoader(
            train.items, augmenter, recipe.batch_size, recipe.seed, workspace.num_workers, recipe.steps_per_epoch
        )
    history, precision = fit(task.model, task, loader, recipe, workspace.device, workspace.checkpoint, workspace.tell)
    return model.eval(), spec.model_copy(update={"extra": {"precision": precision}}), history


def _task_of(
    features: Features, recipe: Training, loss: Loss, device: torch.device, last: bool = False
) -> ClassificationTask:
    tail, train, validation = features
    return ClassificationTask(tail, ToDevice(device), train.labels, validation, loss, recipe.batch_size, last=last)


def _fit_svm(
    features: Features | None, recipe: Training, loss: Loss, classes: int, workspace: Workspace
) -> tuple[list[Epoch], dict[str, object]]:
    """Fill the tail by a support vector machine: a history of one epoch, and what was chosen."""
    if features is None or not isinstance(features.tail, nn.Linear):
        raise CytopipeError(
            "head: svm is fitted once, to features that stay the same",
            hint="set freeze: true and no augmentation; choose an architecture without dropout before its head",
        )
    balanced = recipe.class_weights == "balanced"
    svm = fit_svm(features.train, features.validation, classes, balanced, recipe.seed)
    svm.copy_into(features.tail)
    task = _task_of(features, recipe, loss, workspace.device)
    with torch.inference_mode():
        trained, validated = task.measure(features.train), task.validate()
    epoch: Epoch = {
        "epoch": 1,
        "learning_rate": 0.0,
        "train_loss": trained["loss"],
        "train_accuracy": trained["accuracy"],
        **{f"val_{name}": value for name, value in validated.items()},
        "best": 1.0,
    }
    workspace.tell(epoch)
    return [epoch], {"precision": "fp32", "c": svm.c, "temperature": svm.temperature}
