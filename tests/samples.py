"""Samples of adapters, for tests."""

from __future__ import annotations

import numpy as np

from cytopipe.adapters.base import Sample


def true_mask(sample: Sample, size: tuple[int, int]) -> np.ndarray:
    """The true mask of a sample that has one, H x W uint8 palette; size = (height, width) of its image."""
    assert sample.mask is not None
    return sample.mask(size)
