"""A model that can be exported: the whole computation as one module, and the results to hold the export against."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
from torch import nn

from cytopipe.results.model_spec import ModelSpec

# Items as the exported file takes them, and what cytopipe itself says of them, by the name of the output.
Checked = tuple[np.ndarray, dict[str, np.ndarray]]

INPUT = "images"
PROBABILITIES = "probabilities"


def common_metadata(spec: ModelSpec) -> dict[str, str]:
    """Metadata that the files of classifiers and of segmenters share."""
    return {
        "task": spec.task,
        "architecture": spec.architecture,
        "channels": spec.channels,
        "training_data_sha256": spec.training_data_sha256,
    }


class Source(Protocol):
    """A trained model that can be exported.

    Attributes:
        graph: from a batch of the input, N x S x S x C uint8, to one tensor for each output.
        outputs: their names, in order.
        metadata: what goes into the file beside the network, as text.
        description: of input and outputs, for people.
        must_agree: share of the decisions that must be the same as cytopipe's.
    """

    graph: nn.Module
    outputs: tuple[str, ...]
    metadata: dict[str, str]
    description: str
    must_agree: float

    def of_images(self, images: Iterable[np.ndarray]) -> Iterator[Checked]:
        """Items of H x W x 3 uint8 images, in batches, and what cytopipe computes of them."""

    def of_noise(self, count: int) -> Checked:
        """Items of random values, the same in every run, and what cytopipe computes of them."""

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """Decisions from probabilities: a class of each image, or of each pixel."""
