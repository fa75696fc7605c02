"""Train a segmenter on whole fields (`view: fields`): on crops with all their cells, ignoring what is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from cytopipe.adapters.base import AnnotatedField
from cytopipe.core.params import Reading, Segmenter, Training
from cytopipe.data.field_crops import (
    CropAugmenter,
    FieldCrops,
    LabelledField,
    fields_of_split,
    label_field,
    windows_of,
)
from cytopipe.data.imaging.decode import AS_FULL
from cytopipe.data.manifest import Row
from cytopipe.data.tensors import Items
from cytopipe.errors import CytopipeError
from cytopipe.models.architectures.field_unet import FieldUNet
from cytopipe.models.transforms import InputTransform, batches
from cytopipe.results.model_spec import ModelSpec, TypicalSizes
from cytopipe.training.compiling import compiled
from cytopipe.training.data import Batch, TrainingLoader
from cytopipe.training.feeding import host_augmenter
from cytopipe.training.field_targets import Targets, make_targets
from cytopipe.training.fine_tuning import finish_fine_tuning, prepare_fine_tuning
from cytopipe.training.loop import fit
from cytopipe.training.segmentation import make_segmenter, typical_pixel
from cytopipe.training.trained import Trained
from cytopipe.training.workspace import Workspace

MIDDLE_WEIGHT, RAY_WEIGHT = 1.0, 2.0  # of these losses beside that of cell and nucleus


class FieldTask:
    """Segmentation, middles of nuclei, and rays; the best epoch has the lowest loss on the validation fields.

    Args:
        model: a `FieldUNet`.
        transform: transform of the crops to the model's input.
        validation: N x S x S x 7 uint8, see `data.field_crops`.
        batch_size: crops per forward pass of the validation.
        longest: length at which a ray ends, pixels.
        compile: compile the forward and backward passes of training steps.

    Raises:
        CytopipeError: there is no compiler.
    """

    def __init__(
        self,
        model: FieldUNet,
        transform: InputTransform,
        validation: np.ndarray,
        batch_size: int,
        longest: float,
        compile: bool = False,
    ) -> None:
        self.model, self.transform, self.validation, self.batch_size = model, transform, validation, batch_size
        self.rays, self.longest = model.rays, longest
        self._trained = compiled(model, compile)

    def step(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss of a batch and its Dice (scalars)."""
        loss, measures = self._measure(self._trained, batch.items)
        return loss, {"dice": measures["dice"]}

    def validate(self) -> dict[str, float]:
        """Loss, Dice of cell and nucleus, and mean relative error of the rays: means over the validation crops."""
        sums: dict[str, float] = {}
        for rows, items in batches(self.validation, self.batch_size):
            loss, measures = self._measure(self.model, items)
            for name, value in {"loss": loss, **measures}.items():
                sums[name] = sums.get(name, 0.0) + float(value) * (rows.stop - rows.start)
        return {name: value / len(self.validation) for name, value in sums.items()}

    def rank(self, measures: dict[str, float]) -> tuple[float, ...]:
        """Rank by the loss."""
        return (-measures["loss"],)

    def _measure(self, model: nn.Module, items: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        items = items.to(self.transform.device, non_blocking=True)
        targets = make_targets(items[..., 3:], self.rays, self.longest)
        found = model(self.transform(items))
        maps = found["maps"].float()
        loss = _loss_of_maps(maps, targets)
        error = _error_of_rays(found["rays"].float(), targets)
        with torch.no_grad():
            dices = [_dice(maps[:, place] > 0, targets.maps[:, place] > 0.5, targets.known[:, 0]) for place in (0, 1)]
        measures = {"dice": (dices[0] + dices[1]) / 2, "dice_cell": dices[0], "dice_nucleus": dices[1], "rays": error}
        return loss + RAY_WEIGHT * error, {name: value.detach() for name, value in measures.items()}


def _loss_of_maps(logits: torch.Tensor, targets: Targets) -> torch.Tensor:
    """Cross-entropy of every map and soft Dice of cell and nucleus, over the points that are known."""
    known = targets.known
    weights = torch.tensor([1.0, 1.0, MIDDLE_WEIGHT], device=logits.device)[:, None, None]
    surprise = F.binary_cross_entropy_with_logits(logits, targets.maps, reduction="none")
    entropy = (surprise * weights * known).sum() / known.sum().clamp(min=1)
    found, true = torch.sigmoid(logits[:, :2]) * known, targets.maps[:, :2] * known
    both, total = (found * true).sum((0, 2, 3)), (found + true).sum((0, 2, 3))
    return entropy + (1 - (2 * both + 1) / (total + 1)).sum()


def _error_of_rays(rays: torch.Tensor, targets: Targets) -> torch.Tensor:
    """Mean absolute error of the rays, as a share of the mean ray of their point; 0 without points."""
    item, row, column = targets.points.unbind(1)
    found, seen = rays[item, :, row, column], targets.seen.float()
    typical = (targets.rays * seen).sum(1, keepdim=True) / seen.sum(1, keepdim=True).clamp(min=1)
    errors = (found - targets.rays).abs() / typical.clamp(min=1) * seen
    return errors.sum() / seen.sum().clamp(min=1)


def _dice(found: torch.Tensor, true: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    inside = known > 0
    both, total = (found & true & inside).sum(), (found & inside).sum() + (true & inside).sum()
    return torch.where(total > 0, 2 * both / total.clamp(min=1), torch.ones_like(both, dtype=torch.float32))


def label_fields(fields: Sequence[AnnotatedField], config: Segmenter, reading: Reading) -> list[LabelledField]:
    """The fields at the segmenter's scale."""
    everything = config.unannotated == "background"
    return [label_field(field, config.scale, everything, reading) for field in fields]


def fit_field_segmenter(
    config: Segmenter,
    recipe: Training,
    fields: Sequence[AnnotatedField],
    rows: Sequence[Row],
    data_hash: str,
    place: Workspace,
    reading: Reading = AS_FULL,
) -> Trained:
    """Train a segmenter on the training fields; the validation fields choose the epoch.

    Args:
        config: parameters of the segmenter, `view: fields`.
        recipe: parameters of the training.
        fields: every annotated field of the dataset; a field belongs to the split of its images.
        rows: manifest of the dataset.
        data_hash: SHA-256 of the training data.
        place: device, folders and progress reports.
        reading: how image files are read.

    Raises:
        CytopipeError: a split has no field, the architecture is not one for fields, or a loss is not finite.
    """
    train, validation = (
        label_fields(_some(fields_of_split(fields, rows, split), split, config), config, reading)
        for split in ("train", "val")
    )
    sides = [side for one in train for side in one.sides]
    sizes = TypicalSizes(
        image_side=float(np.median([max(one.layers.shape[:2]) for one in train])) / config.scale,
        cell_side=float(np.median(sides)) / config.scale,
        pixel_size_um=typical_pixel([row for row in rows if row.split == "train"]),
    )
    model, spec = field_network(config, data_hash, sizes)
    model = model.to(place.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch
    prepare_fine_tuning(model, recipe)
    transform = InputTransform("rgb", spec.mean, spec.std, place.device)
    windows = np.stack(list(windows_of(validation, config.input_size)))
    longest = min(float(np.max(sides)), float(config.input_size))
    task = FieldTask(model, transform, windows, recipe.batch_size, longest, recipe.compile)
    crops = FieldCrops(train, config.input_size, recipe.seed)
    loader = TrainingLoader(
        cast("Items", crops),
        CropAugmenter(crops, host_augmenter(recipe)),
        recipe.batch_size,
        recipe.seed,
        place.num_workers,
        recipe.steps_per_epoch,
    )
    history, precision = fit(model, task, loader, recipe, place.device, place.checkpoint, place.tell)
    finish_fine_tuning(model)
    return Trained(model, spec.model_copy(update={"precision": precision}), history)


def field_network(config: Segmenter, data_hash: str, sizes: TypicalSizes) -> tuple[FieldUNet, ModelSpec]:
    """Build the network of a segmenter of fields, and its specification; see `make_segmenter`.

    Raises:
        CytopipeError: the architecture gives no rays.
    """
    model, spec = make_segmenter(config, data_hash, sizes)
    if not isinstance(model, FieldUNet):
        raise CytopipeError(
            f"'{config.architecture}' says nothing of the outlines of single cells, which view: fields needs",
            where="segmenters",
            hint="use architecture: field_unet, or view: tiles",
        )
    return model, spec


def _some(fields: list[AnnotatedField], split: str, config: Segmenter) -> list[AnnotatedField]:
    if not fields:
        raise CytopipeError(
            f"no field has all its images in the split '{split}'",
            where=f"datasets.{config.dataset}",
            hint="split the dataset by kind: grouped, so that the cells of a field stay together",
        )
    return fields
