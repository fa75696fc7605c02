"""The interface of a model that can be exported: its computation as one module, and reference results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
from torch import nn

from cytopipe.core.params import Reading
from cytopipe.results.model_spec import ModelSpec

# Items as the exported file takes them, and cytopipe's own results for them by name of the output.
Checked = tuple[np.ndarray, dict[str, np.ndarray]]

INPUT = "images"
PROBABILITIES = "probabilities"


def common_metadata(spec: ModelSpec) -> dict[str, str]:
    """Metadata common to the files of classifiers and segmenters."""
    values = {
        "task": spec.task,
        "architecture": spec.architecture,
        "channels": spec.channels,
        "training_data_sha256": spec.training_data_sha256,
    }
    return values | ({"reading": spec.reading.model_dump_json(exclude_none=True)} if spec.reading else {})


def described(spec: ModelSpec) -> str:
    """How the values of deep images become the items, in a sentence; empty for a model of 8-bit images."""
    if spec.reading is None or spec.reading.range is None:
        return ""
    low, high = spec.reading.range
    return f" Images of more than 8 bits: values {low:g} to {high:g} become 0 to 255, rounded and clipped."


class Source(Protocol):
    """A trained model that can be exported.

    Attributes:
        graph: module from a batch of items, N x S x S x C uint8, to one tensor per output.
        outputs: names of the outputs, in order.
        metadata: metadata of the file.
        description: description of input and outputs, for people.
        must_agree: share of decisions that must equal those of cytopipe.
        reading: how image files are read before they become items.
    """

    graph: nn.Module
    outputs: tuple[str, ...]
    metadata: dict[str, str]
    description: str
    must_agree: float
    reading: Reading

    def of_images(self, images: Iterable[np.ndarray]) -> Iterator[Checked]:
        """Batches of items from H x W x 3 uint8 images, with cytopipe's results."""

    def of_noise(self, count: int) -> Checked:
        """`count` items of random values, equal in every run, with cytopipe's results."""

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """Turn probabilities into decisions: the class of each image or pixel."""
