"""summary.json of a dataset's tensors: how its images became squares."""

from __future__ import annotations

from cytopipe.core.params import Fit
from cytopipe.results.contract import Contract, Record


class Some(Record):
    """A number of images, and the id of the first; None where there is none."""

    count: int
    first: str | None


class TensorsSummary(Contract):
    """The tensors of a dataset.

    Attributes:
        images: number of images.
        image_size: side of the squares, pixels.
        fit: how an image becomes a square.
        padded: images that do not fill their square.
        cropped: images that are larger than their square at the scale of `fit`: only their centre is seen.
    """

    dataset: str
    images: int
    image_size: int
    fit: Fit
    padded: Some
    cropped: Some
