"""The worker behind the app: it keeps models loaded and handles one request at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import torch

from cytopipe.app import cell, field
from cytopipe.app.cell import CellResult
from cytopipe.app.detectors import DetectorChoice
from cytopipe.app.field import FieldResult
from cytopipe.models.inference.predictor import Predictor

CACHED_MODELS = 8  # the most recently used


class Worker:
    """Runs classifiers and detectors, one request at a time.

    Args:
        device: device to compute on.
        threads: CPU threads for every model; None takes those of each model's training, or, if the model does not
            record them, torch's present number.
        segmenter: replaces the segmenter that is bundled with each classifier; None keeps it.

    Attributes:
        folder: folder for output files; set by the server, which also deletes it.
        keep: seconds for which output files are kept.
    """

    folder: Path
    keep: float

    def __init__(self, device: torch.device, threads: int | None = None, segmenter: Path | None = None) -> None:
        self.device, self.threads, self._otherwise = device, threads, torch.get_num_threads()
        self._busy = threading.Lock()
        self._load = lru_cache(CACHED_MODELS)(lambda folder: Predictor.load(folder, device, segmenter))
        self._load_detector = lru_cache(CACHED_MODELS)(lambda detector: detector.load(device))

    def classify(self, model: Path, method: str | None, file: Path) -> CellResult:
        """Classify and explain the image of one cell with the classifier in the folder `model`.

        Raises:
            CytopipeError: as from `Predictor.load` and `cell.classify_cell`.
        """
        with self._exclusive(model) as predictor:
            return cell.classify_cell(predictor, file, method)

    def screen(self, model: Path, detector: DetectorChoice, file: Path) -> FieldResult:
        """Detect the cells of a field and classify them with the classifier in the folder `model`.

        Raises:
            CytopipeError: as from `Predictor.load`, `DetectorChoice.load` and `field.screen_field`.
        """
        with self._exclusive(model) as predictor:
            loaded, models = self._load_detector(detector), (detector.folder, model)
            return field.screen_field(predictor, loaded, file, self.folder, self.keep, models)

    @contextmanager
    def _exclusive(self, model: Path) -> Iterator[Predictor]:
        with self._busy:
            predictor = self._load(model)
            # The number of threads is a setting of the calling thread, and results depend on it.
            torch.set_num_threads(self.threads or predictor.spec.num_threads or self._otherwise)
            yield predictor
