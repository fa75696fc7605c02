"""Crash-safe checkpoints, outside a stage's outputs and keyed by all that determines the training.

DVC deletes a stage's outputs before it reruns it, so a checkpoint inside them would not survive.
"""

from __future__ import annotations

import hashlib
import io
import logging
from pathlib import Path
from typing import Any

import torch

from cytopipe.io.atomic import write_bytes

logger = logging.getLogger("cytopipe")


class Checkpoint:
    """The last finished epoch of one training.

    Args:
        folder: of this training, keyed by the hash of its inputs, parameters and code, so that another training can
            never continue from it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "last.pt"

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint; a crash leaves the old one whole."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        data = buffer.getvalue()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_bytes(self._file, hashlib.sha256(data).digest() + data)

    def load(self) -> dict[str, Any] | None:
        """The last state, or None where there is none or its checksum does not fit (a flipped bit loads silently)."""
        if not self._file.is_file():
            return None
        content = self._file.read_bytes()
        digest, data = content[:32], content[32:]
        if hashlib.sha256(data).digest() != digest:
            logger.warning("%s is damaged: training starts again from the first epoch", self._file)
            return None
        state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        return state
