"""The one worker at which requests are answered: one at a time, with models that are loaded once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import torch

from cytopipe.app import cell, field
from cytopipe.app.cell import CellAnswer
from cytopipe.app.detectors import Choice
from cytopipe.app.field import FieldAnswer
from cytopipe.inference.predictor import Predictor

KEPT = 8  # models in memory, the latest used


class Worker:
    """Loads models and computes with them, one request at a time.

    Args:
        device: to compute on.
        threads: of every model; None takes those of each model's training, or as many as now where none are known.
        segmenter: in place of each model's own, or None.

    Attributes:
        folder: for files that are handed out; set by whoever serves them and removes them.
        keep: seconds after which they may be removed.
    """

    folder: Path
    keep: float

    def __init__(self, device: torch.device, threads: int | None = None, segmenter: Path | None = None) -> None:
        self.device, self.threads, self._otherwise = device, threads, torch.get_num_threads()
        self._busy = threading.Lock()
        self._load = lru_cache(KEPT)(lambda folder: Predictor.load(folder, device, segmenter))
        self._find = lru_cache(KEPT)(lambda detector: detector.load(device))

    def ask(self, model: Path, method: str | None, file: Path) -> CellAnswer:
        """What the classifier of this folder says of the image of one cell.

        Raises:
            CytopipeError: as `Predictor.load` and `cell.answer`.
        """
        with self._working(model) as predictor:
            return cell.answer(predictor, file, method)

    def screen(self, model: Path, detector: Choice, file: Path) -> FieldAnswer:
        """What the classifier of this folder says of the cells that a detector sees in a field.

        Raises:
            CytopipeError: as `Predictor.load`, `Choice.load` and `field.answer`.
        """
        with self._working(model) as predictor:
            return field.answer(predictor, self._find(detector), file, self.folder, self.keep)

    @contextmanager
    def _working(self, model: Path) -> Iterator[Predictor]:
        with self._busy:
            predictor = self._load(model)
            # Threads are a setting of the thread that computes, and results depend on their number.
            torch.set_num_threads(self.threads or predictor.spec.num_threads or self._otherwise)
            yield predictor
