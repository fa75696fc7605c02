"""Export of a segmenter, including normalisation and test-time augmentation: probabilities of windows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import nn

from cytopipe.core.params import Reading
from cytopipe.data.imaging.masks import from_probabilities
from cytopipe.deploy.onnx.source import PROBABILITIES, Checked, common_metadata, described
from cytopipe.errors import CytopipeError
from cytopipe.models.inference.segment import Segmentation, join_heads
from cytopipe.models.inference.tta import ORIENTED, turn
from cytopipe.models.inference.windows import Windows
from cytopipe.models.transforms import COLOURS
from cytopipe.results.model_spec import ModelSpec

CLASSES = ("cell", "nucleus")  # names of the heads, in order


class SegmenterGraph(nn.Module):
    """The computation from windows to probabilities.

    Args:
        segmentation: network with its view and input transform.
    """

    def __init__(self, segmentation: Segmentation) -> None:
        super().__init__()
        self.model, self.transform = segmentation.model, segmentation.transform
        self.tta = segmentation.view.tta

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """N x S x S x 3 uint8 -> N x S x S x 2 float32: cell, nucleus."""
        tta = ORIENTED[self.tta]
        logits = self.model(self.transform(torch.cat([turn(images, *by) for by in tta])))
        seen = torch.sigmoid(join_heads(logits)).permute(0, 2, 3, 1).unflatten(0, (len(tta), -1))
        upright = [turn(one, *by, back=True) for one, by in zip(seen, tta, strict=True)]
        return torch.stack(upright).mean(dim=0)


class SegmenterSource:
    """A segmenter as a `Source` of an export.

    Args:
        model: returns logits "cyt" and "nuc", N x 1 x S x S each.
        spec: specification of the model.

    Raises:
        CytopipeError: the segmenter has no parameters (`otsu`).
    """

    outputs: tuple[str, ...] = (PROBABILITIES,)
    must_agree = 0.999  # share of pixels; probabilities at borders may be close to the threshold

    def __init__(self, model: nn.Module, spec: ModelSpec) -> None:
        if not any(True for _ in model.parameters()):
            raise CytopipeError(
                "this is no network but a threshold that OpenCV computes for each image, and ONNX has no such operator",
                where=spec.architecture,
                hint="its few lines are in cytopipe/models/architectures/otsu.py; or train an attention_unet",
            )
        self.segmentation = Segmentation.of(model, spec, torch.device("cpu"))
        self.reading = spec.reading or Reading()
        self.graph: nn.Module = SegmenterGraph(self.segmentation).eval()
        view = self.segmentation.view
        self.metadata = {
            **common_metadata(spec),
            "classes": json.dumps(CLASSES),
            "input_size": json.dumps(view.input_size),
            "view": view.model_dump_json(),
        }
        self.description = (
            f"images: N x {view.input_size} x {view.input_size} x 3 uint8, RGB. probabilities: "
            f"N x {view.input_size} x {view.input_size} x 2 float32, of whole cell and nucleus. A nucleus counts "
            "inside a cell only. How an image is brought to this size is in the metadata: view."
        ) + described(spec)

    def of_images(self, images: Iterable[np.ndarray]) -> Iterator[Checked]:
        """Windows of images, cut according to the view of the segmenter."""
        for image in images:
            windows = Windows.of(image, self.segmentation.view).pixels
            yield windows, {PROBABILITIES: self.segmentation.probabilities(windows)}

    def of_noise(self, count: int) -> Checked:
        """Windows of random colours."""
        size = self.segmentation.view.input_size
        windows = np.random.default_rng(0).integers(0, 256, (count, size, size, COLOURS), np.uint8)
        return windows, {PROBABILITIES: self.segmentation.probabilities(windows)}

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """N x S x S x 2 -> palette masks N x S x S."""
        return from_probabilities(probabilities[..., 0], probabilities[..., 1])
