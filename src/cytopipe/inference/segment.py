"""Masks of images by a segmenter: cut into windows, predicted, stitched together, decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from cytopipe.errors import CytopipeError
from cytopipe.imaging.decode import resize_rgb
from cytopipe.imaging.masks import from_probabilities, largest_cell
from cytopipe.imaging.sliding_window import Corner, cut, stitch
from cytopipe.inference.tta import ORIENTED, turn
from cytopipe.models.folder import load_model
from cytopipe.models.transforms import InputTransform
from cytopipe.params import View
from cytopipe.results.model_spec import ModelSpec

HEADS = ("cyt", "nuc")  # of a segmenter: the whole cell, its nucleus
BATCH = 8  # windows of a forward pass
Size = tuple[int, int]  # height, width


def join_heads(logits: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The output of a segmenter, N x 1 x H x W for each of HEADS -> N x 2 x H x W float32: cell, nucleus."""
    return torch.cat([logits[head] for head in HEADS], dim=1).float()


@dataclass(frozen=True)
class Windows:
    """The windows of one image, as a segmenter sees them.

    Attributes:
        pixels: N x S x S x 3 uint8.
        corners: (top, left) of each in the scaled image.
        scaled: size of that image.
        native: size of the image itself.
    """

    pixels: np.ndarray
    corners: list[Corner]
    scaled: Size
    native: Size

    @classmethod
    def of(cls, image: np.ndarray, view: View) -> Windows:
        """Scale H x W x 3 uint8 as the view says, and cut it."""
        native = image.shape[0], image.shape[1]
        scaled = view.size_of(*native)
        pixels, corners = cut(resize_rgb(image, scaled), view.input_size, view.overlap)
        return cls(pixels, corners, scaled, native)

    def stitch(self, values: np.ndarray) -> np.ndarray:
        """Values of the windows, N x S x S x C float32 -> those of the image in its own size, H x W x C."""
        stitched = stitch(values, self.corners, (*self.scaled, values.shape[3]))
        return cv2.resize(stitched, (self.native[1], self.native[0]), interpolation=cv2.INTER_LINEAR)


class Segmentation:
    """A network with its view and input transform.

    Args:
        model: returns logits for each of HEADS, N x 1 x S x S.
        transform: of N x S x S x 3 uint8.
        view: of the images.
        batch_size: windows of a forward pass.
    """

    def __init__(self, model: nn.Module, transform: InputTransform, view: View, batch_size: int = BATCH) -> None:
        self.model, self.transform, self.view, self.batch_size = model.eval(), transform, view, batch_size

    @classmethod
    def load(cls, folder: Path, device: torch.device, batch_size: int = BATCH) -> Segmentation:
        """From a model folder.

        Raises:
            CytopipeError: the folder is damaged or incomplete, or holds no segmenter.
        """
        return cls.of(*load_model(folder, device), device, batch_size)

    @classmethod
    def of(cls, model: nn.Module, spec: ModelSpec, device: torch.device, batch_size: int = BATCH) -> Segmentation:
        """From a network and its specification.

        Raises:
            CytopipeError: it is no segmenter.
        """
        if spec.view is None:
            raise CytopipeError("this model is a classifier, not a segmenter", where=spec.architecture)
        return cls(model, InputTransform("rgb", spec.mean, spec.std, device), spec.view, batch_size)

    def probabilities(self, windows: np.ndarray) -> np.ndarray:
        """N x S x S x 3 uint8 -> N x S x S x 2 float32: cell, nucleus."""
        results = []
        with torch.inference_mode():
            for start in range(0, len(windows), self.batch_size):
                some = windows[start : start + self.batch_size]
                # Kernels differ with the number of windows: filled up, an image has one mask whatever the batch.
                items = torch.from_numpy(np.pad(some, ((0, self.batch_size - len(some)), *[(0, 0)] * 3), mode="edge"))
                turned = [turn(self._forward(turn(items, *by)), *by, back=True) for by in ORIENTED[self.view.tta]]
                results.append(torch.stack(turned).mean(dim=0)[: len(some)].cpu().numpy())
        return np.concatenate(results)

    def _forward(self, items: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(join_heads(self.model(self.transform(items)))).permute(0, 2, 3, 1)

    def masks(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Palette masks of H x W x 3 uint8 images, each in its image's own size, in order.

        Windows of neighbouring images share a forward pass; no more images than fill one are held in memory.
        """
        group: list[Windows] = []
        for image in images:
            group.append(Windows.of(image, self.view))
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
            cell, nucleus = np.moveaxis(windows.stitch(values[start:end]), 2, 0)
            mask = from_probabilities(cell, nucleus)
            yield largest_cell(mask) if self.view.one_cell else mask
            start = end
