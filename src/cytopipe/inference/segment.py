"""Masks of images by a segmenter's model folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import nn

from cytopipe.errors import CytopipeError
from cytopipe.imaging.decode import resize_rgb
from cytopipe.imaging.masks import from_probabilities, largest_cell
from cytopipe.imaging.sliding_window import cut, join
from cytopipe.inference.tta import ORIENTED, turn
from cytopipe.models.files import SPEC
from cytopipe.models.folder import OTHER_VERSION, ModelSpec, load_model
from cytopipe.models.transforms import InputTransform

HEADS = ("cyt", "nuc")
NATIVE_SIDE, CELL_SIDE = "native_side", "cell_side"  # in model.json's extra: of training images and of their cells, px
BATCH = 8  # windows of a forward pass
Size = tuple[int, int]  # height, width
_Cut = tuple[Size, np.ndarray, list[tuple[int, int]], Size]  # native size, windows, their corners, size of the tiling


@dataclass(frozen=True)
class View:
    """How a segmenter looks at an image.

    `whole`: the image is resized to input_size x input_size. `tiles`: it is scaled by `scale` and a window of
    input_size slides over it with this overlap; overlapping probabilities are averaged.

    `tta`: 8 averages over the rotations and reflections of every window. `one_cell`: of several cells in
    the image the largest is kept, for images that are known to show one.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    kind: str
    input_size: int
    scale: float = 1.0
    overlap: float = 0.5
    tta: int = 1
    one_cell: bool = False

    def size_of(self, image: np.ndarray) -> Size:
        """The size to which H x W x C is brought before it is cut."""
        if self.kind == "whole":
            return self.input_size, self.input_size
        return max(1, round(image.shape[0] * self.scale)), max(1, round(image.shape[1] * self.scale))

    def cut(self, image: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]], Size]:
        """H x W x C uint8 -> windows, their corners, and the size of the image that they tile."""
        size = self.size_of(image)
        windows, corners = cut(resize_rgb(image, size), self.input_size, self.overlap)
        return windows, corners, size

    def join(
        self, probabilities: np.ndarray, corners: list[tuple[int, int]], size: tuple[int, int], native: tuple[int, int]
    ) -> np.ndarray:
        """Windows' probabilities, N x S x S x C float -> those of the image in its own size, H x W x C."""
        joined = join(probabilities, corners, size)
        return cv2.resize(joined, (native[1], native[0]), interpolation=cv2.INTER_LINEAR)


class Segmentation:
    """A network with its view and input transform.

    Args:
        model: returns {"cyt", "nuc"} logits, N x 1 x S x S.
        transform: of N x S x S x 3 uint8.
        view: of the images.
        batch_size: windows a forward pass.
    """

    def __init__(self, model: nn.Module, transform: InputTransform, view: View, batch_size: int = BATCH) -> None:
        self.model, self.transform, self.view, self.batch_size = model.eval(), transform, view, batch_size

    @classmethod
    def load(cls, folder: Path, device: torch.device, batch_size: int = BATCH) -> Segmentation:
        """From a model folder.

        Raises:
            CytopipeError: when the folder is damaged or incomplete.
        """
        return cls.of(*load_model(folder, device), device, batch_size)

    @classmethod
    def of(cls, model: nn.Module, spec: ModelSpec, device: torch.device, batch_size: int = BATCH) -> Segmentation:
        """From a network and its specification.

        Raises:
            CytopipeError: it is no segmenter, or one of another version.
        """
        if spec.task != "segmentation":
            raise CytopipeError("this model is a classifier, not a segmenter", where=spec.architecture)
        try:
            view = TypeAdapter(View).validate_python(spec.extra.get("view"))
        except ValidationError as error:
            fault = error.errors()[0]
            key = ".".join(str(part) for part in ("extra", "view", *fault["loc"]))
            raise CytopipeError(f"{key}: {fault['msg']}", where=SPEC, hint=OTHER_VERSION) from None
        return cls(model, InputTransform("rgb", spec.mean, spec.std, device), view, batch_size)

    def probabilities(self, windows: np.ndarray) -> np.ndarray:
        """N x S x S x 3 uint8 -> N x S x S x 2 float32: cell, nucleus."""
        results = []
        with torch.inference_mode():
            for start in range(0, len(windows), self.batch_size):
                some = windows[start : start + self.batch_size]
                # Kernels differ with the number of windows: filled up, an image has one mask in whatever company.
                items = torch.from_numpy(np.pad(some, ((0, self.batch_size - len(some)), *[(0, 0)] * 3), mode="edge"))
                turned = [turn(self._forward(turn(items, *by)), *by, back=True) for by in ORIENTED[self.view.tta]]
                results.append(torch.stack(turned).mean(dim=0)[: len(some)].cpu().numpy())
        return np.concatenate(results)

    def _forward(self, items: torch.Tensor) -> torch.Tensor:
        logits = self.model(self.transform(items))
        both = torch.cat([logits[head] for head in HEADS], dim=1).float()
        return torch.sigmoid(both).permute(0, 2, 3, 1)

    def masks(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Palette masks of H x W x 3 uint8 images, each in its image's own size, in order.

        Windows of neighbouring images share a forward pass; no more images than fill one are held in memory.
        """
        group: list[_Cut] = []
        for image in images:
            group.append(((image.shape[0], image.shape[1]), *self.view.cut(image)))
            if sum(len(windows) for _, windows, _, _ in group) >= self.batch_size:
                yield from self._masks(group)
                group = []
        if group:
            yield from self._masks(group)

    def _masks(self, group: list[_Cut]) -> Iterator[np.ndarray]:
        values = self.probabilities(np.concatenate([windows for _, windows, _, _ in group]))
        start = 0
        for native, windows, corners, size in group:
            joined = self.view.join(values[start : start + len(windows)], corners, size, native)
            start += len(windows)
            mask = from_probabilities(joined[..., 0], joined[..., 1])
            yield largest_cell(mask) if self.view.one_cell else mask
