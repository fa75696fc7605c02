"""The one desk at which requests are answered: one at a time, with models that are loaded once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import torch

from cytopipe.decisions import THREADS
from cytopipe.inference.predictor import Predictor

KEPT = 8  # models in memory, the latest used
T = TypeVar("T")


class Desk:
    """Loads models and computes with them, one request at a time.

    Args:
        device: to compute on.
        threads: of every model; None takes those of each model's training, or as many as now where none are known.
        segmenter: in place of each model's own, or None.
    """

    def __init__(self, device: torch.device, threads: int | None = None, segmenter: Path | None = None) -> None:
        self.device, self.threads, self._otherwise = device, threads, torch.get_num_threads()
        self._busy = threading.Lock()
        self._load = lru_cache(KEPT)(lambda folder: Predictor.load(folder, device, segmenter))

    def ask(self, folder: Path, question: Callable[[Predictor], T]) -> T:
        """What the question finds with the model of this folder.

        Raises:
            CytopipeError: as `Predictor.load` and the question.
        """
        with self._busy:
            predictor = self._load(folder)
            # Threads are a setting of the thread that computes, and results depend on their number.
            torch.set_num_threads(self.threads or predictor.spec.extra.get(THREADS, self._otherwise))
            return question(predictor)
