"""Crash-safe checkpoints, stored outside the outputs of a stage and keyed by everything that determines the training.

DVC deletes the outputs of a stage before it reruns it, so a checkpoint among them would not survive.
"""

from __future__ import annotations

import hashlib
import io
import logging
from pathlib import Path
from typing import Any

import torch

from cytopipe.core.io.atomic import write_bytes

logger = logging.getLogger("cytopipe")


class Checkpoint:
    """The checkpoint of one training, after its last finished epoch.

    Args:
        folder: folder of this training, keyed by the hash of its inputs, parameters and code, so that no other training
            can continue from it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "last.pt"

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint atomically: a crash leaves the old one intact."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        data = buffer.getvalue()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_bytes(self._file, hashlib.sha256(data).digest() + data)

    def load(self) -> dict[str, Any] | None:
        """The last state; None if there is none, it is damaged, or another version wrote it that cannot be read.

        Its checksum tells the damage, because torch loads a flipped bit silently.
        """
        if not self._file.is_file():
            return None
        content = self._file.read_bytes()
        digest, data = content[:32], content[32:]
        if hashlib.sha256(data).digest() != digest:
            logger.warning("%s is damaged: training starts again from the first epoch", self._file)
            return None
        try:
            state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except Exception as error:  # of any kind: torch does not check a format that it does not know
            reason = str(error).partition("\n")[0]
            logger.warning("%s cannot be read (%s): training starts again from the first epoch", self._file, reason)
            return None
        return state
