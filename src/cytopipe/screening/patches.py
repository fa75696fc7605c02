"""Finds cells by a classifier of patches, cell or background: system A's first stage, slid over the field.

The published system never connected it to its second stage. Peaks of the probability of a cell are the nuclei, on
which its patches are centred; each grows over the foreground of the field, by Otsu's threshold on grey.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from cytopipe.errors import CytopipeError
from cytopipe.images import resize_rgb
from cytopipe.inference.classify import class_probabilities, input_transform
from cytopipe.models import load_model
from cytopipe.models.otsu import otsu_threshold
from cytopipe.screening.fields import Field
from cytopipe.screening.finders import Evidence, Look, Region

CELL = "cell"  # the class
BATCH = 1024  # patches of a forward pass
THUMBNAIL = 1024  # longer side of the picture on which the threshold is found, pixels
SAMPLES = 64  # patches along the longer side by which it is told whether cells are dark or bright


class PatchFinder:
    """Cells by the model folder of a classifier of patches with a class "cell".

    Args:
        folder: of the model.
        device: to predict on.
        scale: pixels of the classifier's patches for a pixel of the field.
        step: pixels of the field between patches; None: a tenth of a patch's side.
        threshold: probability of a peak.
        apart: least distance between nuclei, share of a patch's side.
        reach: greatest distance of a cell's outline from its nucleus, share of a patch's side.
        least_cell: smallest area of a cell, share of a patch's.
        dark: whether cells are darker than the background; None: told by the patches with cells.
        box: side in pixels of the field of a square that stands for each cell; None: cells have outlines.

    Raises:
        CytopipeError: no classifier with a class "cell" that sees colours alone.
    """

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        scale: float = 1.0,
        *,
        step: int | None = None,
        threshold: float = 0.5,
        apart: float = 0.5,
        reach: float = 1.5,
        least_cell: float = 0.1,
        dark: bool | None = None,
        box: int | None = None,
    ) -> None:
        self._model, spec = load_model(folder, device)
        if spec.task != "classification" or CELL not in spec.classes or spec.channels != "rgb":
            raise CytopipeError(
                f"this model is no classifier of RGB patches with a class '{CELL}'",
                where=folder,
                hint="name one that was trained on a dataset of adapter: cell_background",
            )
        self._size, self._cell = spec.input_size, spec.classes.index(CELL)
        self._transform, self._orientations = input_transform(spec, device), spec.orientations
        self.side = max(1, round(self._size / scale))  # of a patch in the field
        self.step = step or max(1, self.side // 10)
        points = self.side / self.step  # of the grid along a patch
        self._threshold, self._apart, self._dark = threshold, max(1, round(apart * points)), dark
        self.radius = max(1, round(reach * points))
        self.seed_side = max(1, round(points / 2))
        self.least = max(1, round(least_cell * points**2))
        self.box = box

    def look_at(self, field: Field) -> Look:
        """Evidence of regions of the field; its threshold is found here, on a thumbnail of the whole."""
        raise NotImplementedError
