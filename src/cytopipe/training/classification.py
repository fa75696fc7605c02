"""A classifier before its training, and the task that it is trained for: best epoch by validation accuracy."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import nn

from cytopipe.models.determinism import seed_epoch
from cytopipe.models.heads import build_classifier
from cytopipe.models.pretrained import Normalisation, load_pretrained
from cytopipe.models.transforms import InputTransform, batches
from cytopipe.params import Classifier
from cytopipe.results.model_spec import CHANNEL_COUNT, ModelSpec
from cytopipe.training.data import Batch, Labelled
from cytopipe.training.features import ToDevice
from cytopipe.training.losses import Loss
from cytopipe.training.mixing import Mixer


class ClassificationTask:
    """A loss of the classes; validation accuracy chooses the epoch, the loss breaks ties.

    Args:
        model: returns N x classes logits.
        transform: of stored items.
        labels: class index of every training image.
        validation: stored items (N x H x W x 5 uint8, or features) and their class indices.
        loss: smoothed in training only.
        batch_size: of the validation.
        mixer: of training batches; None leaves them as they are.
        last_epoch: take the last epoch, as the validation images are trained on.
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
    ) -> None:
        self.model, self.transform, self.validation = model, transform, validation
        self.labels = torch.from_numpy(labels)
        self.loss, self.batch_size, self.last_epoch = loss, batch_size, last_epoch
        self.mixer = None if mixer is None or mixer.idle else mixer

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
        return (measures["epoch"],) if self.last_epoch else (measures["accuracy"], -measures["loss"])


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
        network_size=config.input_size,
        mean=(*colours.mean, *[0.5] * masks),
        std=(*colours.std, *[0.5] * masks),
        tta=config.tta,
        training_data_sha256=data_hash,
    )
    return model, spec
