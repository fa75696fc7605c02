"""Types of the fixtures of embeddings."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from cytopipe.core.params import Embedding
from cytopipe.data.manifest import Row


class Cells(NamedTuple):
    """N images as stored, their rows and class indices."""

    items: np.ndarray
    rows: list[Row]
    labels: np.ndarray


class Make(Protocol):
    """Makes an embedding of params.yaml."""

    def __call__(self, **changes: object) -> Embedding: ...
