"""Set up a segmenter, cut its training windows, and define its training task: Dice + BCE, best epoch by Dice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from monai.losses.dice import DiceLoss
from torch import nn
from torch.nn import functional as F

from cytopipe.core.params import Segmenter, View
from cytopipe.data.imaging.decode import read_png, resize_rgb
from cytopipe.data.imaging.masks import CYTOPLASM, NUCLEUS, read_mask, resize_mask
from cytopipe.data.imaging.sliding_window import cut
from cytopipe.data.manifest import Row
from cytopipe.data.tensors import ArrayWriter, open_array
from cytopipe.errors import CytopipeError
from cytopipe.models.architectures.exported import Exported
from cytopipe.models.determinism import seed_epoch
from cytopipe.models.inference.segment import HEADS, join_heads
from cytopipe.models.pretrained import Normalisation
from cytopipe.models.registry import build
from cytopipe.models.transfer import load_first_weights
from cytopipe.models.transforms import InputTransform, batches
from cytopipe.results.model_spec import ModelSpec, TypicalSizes
from cytopipe.training.compiling import compiled
from cytopipe.training.data import Batch, Part
from cytopipe.training.ranks import Ranks

SMOOTHING = 1e-6  # added to both sides of the fraction of a Dice loss
CHANNELS = 4  # of a training window: red, green, blue, palette mask


def write_windows(path: Path, organized: Path, rows: Sequence[Row], view: View) -> np.ndarray:
    """Cut images and their ground-truth masks into windows.

    Args:
        path: file of the array to write.
        organized: folder of the organized dataset.
        rows: manifest of the images.
        view: how an image is scaled and cut into windows.

    Returns:
        N x S x S x 4 uint8 (red, green, blue, palette mask), memory-mapped.

    Raises:
        CytopipeError: an image has no ground-truth mask.
    """
    if unmasked := [row.id for row in rows if not row.mask_path]:
        raise CytopipeError(
            f"{len(unmasked)} images have no true mask to train on, first '{unmasked[0]}'",
            where=organized,
            hint="train the segmenter on a dataset with masks, or use architecture: otsu, which needs no training",
        )
    count = sum(len(_cut(organized, row, view)) for row in rows) if view.view == "tiles" else len(rows)
    with ArrayWriter(path, count, (view.input_size, view.input_size, CHANNELS)) as writer:
        for row in rows:
            for window in _cut(organized, row, view):
                writer.append(window)
    return open_array(path)


def _cut(organized: Path, row: Row, view: View) -> np.ndarray:
    image, mask = read_png(organized / row.path), read_mask(organized / row.mask_path)
    size = view.size_of(*image.shape[:2])
    both = np.concatenate([resize_rgb(image, size), resize_mask(mask, size)[..., None]], axis=-1)
    return cut(both, view.input_size, view.overlap)[0]


class SegmentationTask:
    """Segmentation by Dice + BCE of both heads; the best epoch has the highest mean Dice of the validation windows.

    Args:
        model: returns logits for each of HEADS, N x 1 x S x S.
        transform: transform of the windows to the model's input.
        validation: windows, N x S x S x 4 uint8.
        batch_size: windows per forward pass of the validation.
        compile: compile the forward and backward passes of training steps.

    Raises:
        CytopipeError: there is no compiler.
    """

    def __init__(
        self,
        model: nn.Module,
        transform: InputTransform,
        validation: np.ndarray,
        batch_size: int,
        compile: bool = False,
    ) -> None:
        self.model, self.transform, self.validation, self.batch_size = model, transform, validation, batch_size
        self._trained = compiled(model, compile)
        self._dice = DiceLoss(sigmoid=True, batch=True, smooth_nr=SMOOTHING, smooth_dr=SMOOTHING)
        self._ranks: Ranks | None = None
        self.reach = 0  # windows are not mixed

    def join(self, ranks: Ranks) -> None:
        """From now on, a step is a part of one that several devices share, and its measures are parts of sums."""
        self._ranks, self._trained = ranks, ranks.wrap(self._trained)

    def step(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss of a batch and its mean Dice (scalars)."""
        logits, truth = self._forward(self._trained, batch.items)
        with torch.no_grad():
            dice = _dice_per_image(logits > 0, truth > 0).mean()
        if batch.part is None or self._ranks is None:
            return self._loss(logits, truth), {"dice": dice}
        return _shared_loss(logits.float(), truth, batch.part, self._ranks), {"dice": dice * batch.part.share}

    def validate(self) -> dict[str, float]:
        """Loss, Dice and the Dice of each head, as means over the validation windows."""
        losses, dices = [], []
        for rows, items in batches(self.validation, self.batch_size):
            logits, truth = self._forward(self.model, items)
            losses.append(float(self._loss(logits, truth)) * (rows.stop - rows.start))
            dices.append(_dice_per_image(logits > 0, truth > 0))
        dice = torch.cat(dices).mean(dim=0)
        return {
            "loss": sum(losses) / len(self.validation),
            "dice": float(dice.mean()),
            "dice_cell": float(dice[0]),
            "dice_nucleus": float(dice[1]),
        }

    def rank(self, measures: dict[str, float]) -> tuple[float, ...]:
        """Rank by mean Dice."""
        return (measures["dice"],)

    def _forward(self, model: nn.Module, items: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        items = items.to(self.transform.device, non_blocking=True)
        palette = items[..., 3]
        truth = torch.stack([palette >= CYTOPLASM, palette == NUCLEUS], dim=1).float()
        return join_heads(model(self.transform(items))), truth

    def _loss(self, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Sum over the heads of BCE + soft Dice loss."""
        bce = F.binary_cross_entropy_with_logits(logits, truth) * len(HEADS)
        loss: torch.Tensor = bce + sum(self._dice(logits[:, [head]], truth[:, [head]]) for head in range(len(HEADS)))
        return loss


def _shared_loss(logits: torch.Tensor, truth: torch.Tensor, part: Part, ranks: Ranks) -> torch.Tensor:
    """A device's part of the loss of all windows of a step: the sums of the Dice loss go over all devices.

    DiceLoss of MONAI divides by the sums of one batch, so that the mean over several batches is another loss.
    """
    bce = F.binary_cross_entropy_with_logits(logits, truth) * len(HEADS) * part.share
    found = torch.sigmoid(logits)
    sums = torch.stack([(one * min(part.own, 1)).sum(dim=(0, 2, 3)) for one in (found * truth, found + truth)])
    both, either = ranks.sum(sums)
    dice = 1 - (2 * both + SMOOTHING) / (either + SMOOTHING)
    loss: torch.Tensor = bce + dice.sum() / ranks.count
    return loss


def _dice_per_image(predicted: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Dice of each image and head, N x heads; 1 if both masks are empty."""
    both = (predicted & truth).sum(dim=(2, 3)).double()
    total = (predicted.sum(dim=(2, 3)) + truth.sum(dim=(2, 3))).double()
    return torch.where(total > 0, 2 * both / total.clamp(min=1), torch.ones_like(both))


def make_segmenter(config: Segmenter, data_hash: str, sizes: TypicalSizes | None = None) -> tuple[nn.Module, ModelSpec]:
    """Build and initialise a segmenter.

    Args:
        config: parameters of the segmenter.
        data_hash: SHA-256 of the training data.
        sizes: typical sizes of its images and cells, for the specification.

    Returns:
        The network, on the CPU, and the specification for its model folder.

    Raises:
        CytopipeError: the architecture does not take these arguments, or the pretrained weights do not fit.
    """
    seed_epoch(config.training.seed if config.training else 0, -1 % 2**32)
    model = build(config.architecture, **config.arguments)
    chosen = config.normalisation
    given = Normalisation(chosen.mean, chosen.std) if chosen else None
    if isinstance(model, Exported):
        model.take(config.pretrained)
        normalisation = given or Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    else:
        normalisation = load_first_weights(model, config.pretrained, normalisation=given)
    spec = ModelSpec(
        task="segmentation",
        architecture=config.architecture,
        arguments=config.arguments,
        classes=HEADS,
        channels="rgb",
        input_size=config.input_size,
        mean=normalisation.mean,
        std=normalisation.std,
        training_data_sha256=data_hash,
        view=View(**config.model_dump(include=set(View.model_fields))),
        typical_sizes=sizes,
    )
    return model, spec


def typical_sizes(organized: Path, rows: Sequence[Row]) -> TypicalSizes:
    """Median longer side, in pixels, of the training images and of the cells in their ground-truth masks; pixel size.

    Cells that touch count as one. A size is None if there are no training images, or no masks; the size of a pixel also
    where an image's is not known.
    """
    train = [row for row in rows if row.split == "train"]
    images = [max(row.width, row.height) for row in train]
    cells = [side for row in train if row.mask_path for side in _sides(read_mask(organized / row.mask_path))]
    return TypicalSizes(image_side=_median(images), cell_side=_median(cells), pixel_size_um=typical_pixel(train))


def typical_pixel(train: Sequence[Row]) -> float | None:
    """Median size of a pixel of the training images, micrometres; None if that of one of them is not known."""
    known = [row.pixel_size_um for row in train if row.pixel_size_um]
    return _median(known) if len(known) == len(train) else None


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None


def _sides(mask: np.ndarray) -> list[int]:
    _, _, statistics, _ = cv2.connectedComponentsWithStats((mask >= CYTOPLASM).astype(np.uint8))
    return [int(side) for side in statistics[1:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1, initial=0)]
