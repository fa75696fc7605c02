"""Set up a classifier, and define its training task: the best epoch is that of the highest validation accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import nn

from cytopipe.core.params import STRETCH, Classifier, Fit
from cytopipe.models.determinism import seed_epoch
from cytopipe.models.heads import build_classifier
from cytopipe.models.image_sizes import size_arguments
from cytopipe.models.pretrained import Normalisation
from cytopipe.models.transfer import load_first_weights
from cytopipe.models.transforms import InputTransform, batches
from cytopipe.results.model_spec import CHANNEL_COUNT, ModelSpec
from cytopipe.training.compiling import compiled
from cytopipe.training.data import Batch, Labelled
from cytopipe.training.features import ToDevice
from cytopipe.training.losses import Loss
from cytopipe.training.mixing import REACH, Mixer
from cytopipe.training.ranks import Ranks


class ClassificationTask:
    """Classification; the best epoch has the highest validation accuracy, and among equals the lowest validation loss.

    Args:
        model: returns N x classes logits.
        transform: transform of stored items, or of features, to the model's input.
        labels: class index of every training image, N int64.
        validation: stored items (N x H x W x 5 uint8, or features) and their class indices.
        loss: training loss; validation is measured without label smoothing.
        batch_size: images per forward pass of the validation.
        mixer: mixes the images of training batches; None leaves them unchanged.
        last_epoch: choose the last epoch, because the validation images are trained on too.
        compile: compile the forward and backward passes of training steps.

    Raises:
        CytopipeError: there is no compiler.
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
        last_epoch: bool = False,
        compile: bool = False,
    ) -> None:
        self.model, self.transform, self.validation = model, transform, validation
        self._trained = compiled(model, compile)
        self.labels = torch.from_numpy(labels).to(transform.device)
        self.loss, self.batch_size, self.last_epoch = loss, batch_size, last_epoch
        self.mixer = None if mixer is None or mixer.idle else mixer
        self._ranks: Ranks | None = None

    @property
    def reach(self) -> int:
        """Images before an image in a batch that it may be mixed with."""
        return 0 if self.mixer is None else REACH

    def join(self, ranks: Ranks) -> None:
        """From now on, a step is a part of one that several devices share, and its measures are parts of sums."""
        self._ranks, self._trained = ranks, ranks.wrap(self._trained)

    def step(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss of a batch and its accuracy (scalars); mixed images count with their larger label."""
        target = truth = self.labels[batch.indices.to(self.labels.device, non_blocking=True)]
        images = self.transform(batch.items)
        if self.mixer is not None:
            images, target = self.mixer(images, truth, batch.epoch, batch.step)
            if batch.part is not None:
                images, target = images[batch.part.before :], target[batch.part.before :]
            truth = target.argmax(dim=1)
        logits = self._trained(images).float()
        loss, accuracy = self.loss(logits, target), (logits.detach().argmax(dim=1) == truth).float().mean()
        if batch.part is None or self._ranks is None:
            return loss, {"accuracy": accuracy}
        mass = self.loss.mass(target) * min(batch.part.own, 1)
        return loss * (mass / self._ranks.add(mass)), {"accuracy": accuracy * batch.part.share}

    def validate(self) -> dict[str, float]:
        """Loss (without label smoothing), accuracy and macro F1 of the validation images."""
        return self.measure(self.validation)

    def measure(self, data: Labelled) -> dict[str, float]:
        """The measures of `validate`, for any images."""
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
        """Rank by accuracy, then by loss; with `last_epoch` by the epoch number."""
        return (measures["epoch"],) if self.last_epoch else (measures["accuracy"], -measures["loss"])


def make_classifier(
    config: Classifier, classes: tuple[str, ...], input_size: int, data_hash: str, fit: Fit = STRETCH
) -> tuple[nn.Module, ModelSpec]:
    """Build and initialise a classifier.

    Args:
        config: parameters of the classifier.
        classes: names of the classes, in the order of their indices.
        input_size: side of the stored images, pixels.
        data_hash: SHA-256 of the training data.
        fit: how an image became such a stored image.

    Returns:
        The network, on the CPU, and the specification for its model folder.

    Raises:
        CytopipeError: the architecture does not take these arguments or images of this size, or the pretrained weights
            do not fit.
    """
    seed_epoch(config.training.seed, -1 % 2**32)
    count = CHANNEL_COUNT[config.channels]
    arguments = {**config.arguments, "num_classes": len(classes), "in_channels": count}
    changes: dict[str, Any] = {"head": config.head, "activation": config.activation, "freeze": config.freeze}
    model = build_classifier(config.architecture, arguments, **changes)
    if more := size_arguments(model, config.architecture, arguments, config.input_size or input_size):
        arguments |= more
        seed_epoch(config.training.seed, -1 % 2**32)
        model = build_classifier(config.architecture, arguments, **changes)
    chosen = config.normalisation
    given = Normalisation(chosen.mean, chosen.std) if chosen else None
    colours = load_first_weights(model, config.pretrained, normalisation=given)
    # Mask channels are 0 or 1; normalised to -1 or 1, they have the scale that the stem expects.
    masks = count - len(colours.mean)
    spec = ModelSpec(
        task="classification",
        architecture=config.architecture,
        arguments=arguments,
        **changes,
        classes=classes,
        channels=config.channels,
        input_size=input_size,
        fit=None if fit == STRETCH else fit,
        network_size=config.input_size,
        mean=(*colours.mean, *[0.5] * masks),
        std=(*colours.std, *[0.5] * masks),
        tta=config.tta,
        training_data_sha256=data_hash,
    )
    return model, spec
