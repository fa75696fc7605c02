"""Train a classifier of cells: cross-entropy, best epoch by validation accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import nn
from torch.nn import functional as F

from cytopipe.augment import Augmenter
from cytopipe.inputs import CHANNEL_COUNT, InputTransform, batches
from cytopipe.models import ModelSpec, Normalisation, build, load_pretrained
from cytopipe.params import Classifier
from cytopipe.tensors import load_split
from cytopipe.training.data import Batch, TrainingLoader, class_weights
from cytopipe.training.determinism import seed_epoch
from cytopipe.training.loop import Epoch, fit
from cytopipe.training.workspace import Workspace


class ClassificationTask:
    """Cross-entropy of the classes; validation accuracy chooses the epoch, the loss breaks ties.

    Args:
        model: returns N x classes logits.
        transform: of stored items.
        labels: class index of every training image.
        validation: stored items, N x H x W x 5 uint8, and their class indices.
        weights: of the classes, or None.
        label_smoothing: share of the target spread over all classes; training only.
        batch_size: of the validation.
    """

    def __init__(
        self,
        model: nn.Module,
        transform: InputTransform,
        labels: np.ndarray,
        validation: tuple[np.ndarray, np.ndarray],
        weights: torch.Tensor | None,
        label_smoothing: float,
        batch_size: int,
    ) -> None:
        self.model, self.transform, self.validation = model, transform, validation
        self.labels = torch.from_numpy(labels)
        self.weights = None if weights is None else weights.to(transform.device)
        self.label_smoothing, self.batch_size = label_smoothing, batch_size

    def step(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """Loss of a batch, and its accuracy."""
        items, indices = batch
        truth = self.labels[indices].to(self.transform.device)
        logits = self.model(self.transform(items)).float()
        loss = F.cross_entropy(logits, truth, weight=self.weights, label_smoothing=self.label_smoothing)
        return loss, {"accuracy": float((logits.detach().argmax(dim=1) == truth).float().mean())}

    def validate(self) -> dict[str, float]:
        """Loss (unsmoothed), accuracy and macro F1."""
        items, truth = self.validation
        logits = torch.cat([self.model(self.transform(part)).float() for _, part in batches(items, self.batch_size)])
        target = torch.from_numpy(truth).to(logits.device)
        predicted = logits.argmax(dim=1).cpu().numpy()
        return {
            "loss": float(F.cross_entropy(logits, target, weight=self.weights)),
            "accuracy": float((predicted == truth).mean()),
            "macro_f1": float(f1_score(truth, predicted, average="macro", zero_division=0.0)),
        }

    def rank(self, measures: dict[str, float]) -> tuple[float, ...]:
        """By accuracy, then by loss."""
        return (measures["accuracy"], -measures["loss"])


def make_classifier(
    config: Classifier, classes: tuple[str, ...], input_size: int, data_hash: str
) -> tuple[nn.Module, ModelSpec]:
    """An initialised network and the specification of its folder."""
    seed_epoch(config.training.seed, -1 % 2**32)
    count = CHANNEL_COUNT[config.channels]
    arguments = {**config.arguments, "num_classes": len(classes), "in_channels": count}
    model = build(config.architecture, **arguments)
    chosen = config.normalisation
    given = Normalisation(chosen.mean, chosen.std) if chosen else None
    colours = load_pretrained(model, config.pretrained, normalisation=given)
    # Mask channels are 0 or 1; centred like the colours, they keep the scale that the stem expects.
    masks = count - len(colours.mean)
    spec = ModelSpec(
        task="classification",
        architecture=config.architecture,
        arguments=arguments,
        classes=classes,
        channels=config.channels,
        input_size=input_size,
        mean=(*colours.mean, *[0.5] * masks),
        std=(*colours.std, *[0.5] * masks),
        training_data_sha256=data_hash,
    )
    return model, spec


def train_classifier(
    config: Classifier, classes: tuple[str, ...], tensors: Path, data_hash: str, workspace: Workspace
) -> tuple[nn.Module, ModelSpec, list[Epoch]]:
    """Train on the training split; the validation split chooses the epoch; the test split is not opened.

    Args:
        config: of the classifier.
        classes: in the order of their indices.
        tensors: folder of the dataset's tensors.
        data_hash: SHA-256 of the training data, for the model folder.
        workspace: device, folders and progress.

    Returns:
        The network with the weights of its best epoch, its specification and the history.
    """
    recipe = config.training
    train, train_rows = load_split(tensors, "train")
    validation, validation_rows = load_split(tensors, "val")
    labels = np.array([row.class_index for row in train_rows])
    model, spec = make_classifier(config, classes, train.shape[1], data_hash)
    model = model.to(workspace.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    weights = class_weights(labels.tolist(), len(classes)) if recipe.class_weights == "balanced" else None
    task = ClassificationTask(
        model,
        InputTransform(config.channels, spec.mean, spec.std, workspace.device),
        labels,
        (validation, np.array([row.class_index for row in validation_rows])),
        weights,
        recipe.label_smoothing,
        recipe.batch_size,
    )
    loader = TrainingLoader(
        train, Augmenter(recipe.augment, recipe.seed), recipe.batch_size, recipe.seed, workspace.num_workers
    )
    history, precision = fit(model, task, loader, recipe, workspace.device, workspace.checkpoint, workspace.tell)
    return model, spec.model_copy(update={"extra": {"precision": precision}}), history
