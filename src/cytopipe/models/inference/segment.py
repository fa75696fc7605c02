"""Segment images: cut them into windows, predict, stitch the probabilities together, decide on masks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cytopipe.core.params import View
from cytopipe.errors import CytopipeError
from cytopipe.models.folder import load_model
from cytopipe.models.inference.tta import ORIENTED, turn
from cytopipe.models.inference.windows import Windows
from cytopipe.models.transforms import InputTransform
from cytopipe.results.model_spec import ModelSpec

HEADS = ("cyt", "nuc")  # outputs of a segmenter: the whole cell, the nucleus
BATCH = 8  # windows per forward pass


def join_heads(logits: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Concatenate the logits of a segmenter's HEADS, N x 1 x H x W each, to N x 2 x H x W float32: cell, nucleus."""
    return torch.cat([logits[head] for head in HEADS], dim=1).float()


class Segmentation:
    """A segmenter with its view of the images and its input transform.

    Args:
        model: returns logits for each of HEADS, N x 1 x S x S.
        transform: transform of windows, N x S x S x 3 uint8.
        view: how an image is scaled and cut into windows.
        batch_size: windows per forward pass.
    """

    def __init__(self, model: nn.Module, transform: InputTransform, view: View, batch_size: int = BATCH) -> None:
        self.model, self.transform, self.view, self.batch_size = model.eval(), transform, view, batch_size

    @classmethod
    def load(cls, folder: Path, device: torch.device, batch_size: int = BATCH) -> Segmentation:
        """Load a model folder.

        Raises:
            CytopipeError: the folder is damaged or incomplete, or does not hold a segmenter.
        """
        return cls.of(*load_model(folder, device), device, batch_size)

    @classmethod
    def of(cls, model: nn.Module, spec: ModelSpec, device: torch.device, batch_size: int = BATCH) -> Segmentation:
        """Combine a network with its specification.

        Raises:
            CytopipeError: the network is not a segmenter.
        """
        if spec.view is None:
            raise CytopipeError("this model is a classifier, not a segmenter", where=spec.architecture)
        return cls(model, InputTransform("rgb", spec.mean, spec.std, device), spec.view, batch_size)

    def probabilities(self, windows: np.ndarray) -> np.ndarray:
        """Predict the probabilities of cell and nucleus: N x S x S x 3 uint8 -> N x S x S x 2 float32."""
        results = []
        with torch.inference_mode():
            for start in range(0, len(windows), self.batch_size):
                some = windows[start : start + self.batch_size]
                # Kernels depend on the batch size: with padded batches, an image gets the same mask in any batch.
                items = torch.from_numpy(np.pad(some, ((0, self.batch_size - len(some)), *[(0, 0)] * 3), mode="edge"))
                turned = [turn(self._forward(turn(items, *by)), *by, back=True) for by in ORIENTED[self.view.tta]]
                results.append(torch.stack(turned).mean(dim=0)[: len(some)].cpu().numpy())
        return np.concatenate(results)

    def _forward(self, items: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(join_heads(self.model(self.transform(items)))).permute(0, 2, 3, 1)

    def masks(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the palette masks (H x W uint8) of H x W x 3 uint8 images, each in the size of its image, in order."""
        return self.masks_of(Windows.of(image, self.view) for image in images)

    def masks_of(self, images: Iterable[Windows]) -> Iterator[np.ndarray]:
        """Like `masks`, for images that are cut into windows already.

        Windows of consecutive images share a forward pass; only the images of one pass are held in memory.
        """
        group: list[Windows] = []
        for windows in images:
            group.append(windows)
            if sum(len(windows.pixels) for windows in group) >= self.batch_size:
                yield from self._masks(group)
                group = []
        if group:
            yield from self._masks(group)

    def _masks(self, group: list[Windows]) -> Iterator[np.ndarray]:
        values = self.probabilities(np.concatenate([windows.pixels for windows in group]))
        start = 0
        for windows in group:
            end = start + len(windows.pixels)
            yield windows.mask(values[start:end], self.view.one_cell)
            start = end
