"""Cell detection by a patch classifier (cell or background) that slides over the field: the first stage of system A.

The published system never connected this stage to its second one. Its training patches are centred on nuclei, so that
peaks of the cell probability are nuclei; each grows over the foreground of the field (Otsu's threshold on grey values).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from cytopipe.core.params import Fit, Reading, Scale
from cytopipe.data.imaging.decode import resize_rgb
from cytopipe.data.imaging.fields import Field
from cytopipe.errors import CytopipeError
from cytopipe.models.ensemble import load_classifier
from cytopipe.models.inference.classify import class_probabilities, input_transform
from cytopipe.screening.detectors import Evidence, EvidenceReader, Region
from cytopipe.screening.foreground import REACH, Foreground, grey_of

CELL = "cell"  # name of the class that is searched for
BATCH = 1024  # patches per forward pass
SAMPLES = 32  # patches along the longer side that decide whether cells are dark or bright


class PatchDetector:
    """Finds cells with a classifier of RGB patches that has a class "cell".

    Args:
        folder: model folder of the classifier.
        device: device to predict on.
        scale: pixels of the classifier's patches per pixel of the field; None: that of its training images.
        step: pixels of the field between patches; None: a tenth of a patch's side.
        threshold: minimum probability of a peak.
        blur: standard deviation of the Gaussian that smooths the probability map, as a share of a patch's side.
        apart: minimum distance between nuclei, as a share of a patch's side.
        reach: maximum distance of a cell's outline from its nucleus, as a share of a patch's side.
        least_cell: minimum area of a cell, as a share of a patch's area.
        dark: whether cells are darker than the background; None: decided by the patches that show cells.
        box: side, in pixels of the field, of a square that replaces each cell's outline; None: cells have outlines.

    Raises:
        CytopipeError: the model is not a classifier of RGB images with a class "cell", or its scale is in micrometres
            and none is given.
    """

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        scale: float | None = None,
        *,
        step: int | None = None,
        threshold: float = 0.7,
        blur: float = 0.1,
        apart: float = 1.0,
        reach: float = 2.5,
        least_cell: float = 1.0,
        dark: bool | None = None,
        box: int | None = None,
    ) -> None:
        self._model, spec = load_classifier(folder, device)
        if spec.task != "classification" or CELL not in spec.classes or spec.channels != "rgb":
            raise CytopipeError(
                f"this model is no classifier of RGB patches with a class '{CELL}'",
                where=folder,
                hint="name one that was trained on a dataset of adapter: cell_background",
            )
        self.reading = spec.reading or Reading()
        self._size, self._cell = spec.input_size, spec.classes.index(CELL)
        self._transform, self._tta = input_transform(spec, device), spec.tta
        scale = scale or _scale_of(spec.fit, folder)
        self.side = max(1, round(self._size / scale))  # of a patch, in pixels of the field
        self.step = step or max(1, self.side // 10)
        points = self.side / self.step  # points of the grid along a patch
        self._threshold, self._dark = threshold, dark
        self._blur, self._apart = blur * points, max(1, round(apart * points))
        self.radius = max(1, round(reach * points))
        self._seed = max(1, round(points / 2))
        self.margin = 2 * (self.radius + self._seed) + 2 * (self._apart + int(3 * self._blur + 1)) + REACH + 2
        self.min_area = max(1, round(least_cell * points**2))
        self.box = box

    def prepare(self, field: Field) -> EvidenceReader:
        """See `CellDetector`; the threshold of the foreground is computed here, on a thumbnail of the whole field."""
        foreground = Foreground.of(field, self._likely(field) if self._dark is None else np.empty(0))
        if self._dark is not None:
            foreground = replace(foreground, dark=self._dark)

        def look(region: Region) -> Evidence:
            probability = self._probabilities(field, region)
            mask = foreground.mask(field, region, self.step)
            seeds = discs(peaks(probability, self._blur, self._apart, self._threshold, region), self._seed)
            return Evidence(probability, mask, seeds, nuclei=False, lone=False)

        return look

    def _likely(self, field: Field) -> np.ndarray:
        """Grey values of the centres of those patches, sampled all over the field, that are most likely cells."""
        apart = max(1, max(field.height, field.width) // SAMPLES)
        down, across = (range(min(apart, side) // 2, side, apart) for side in (field.height, field.width))
        half = self.side // 2
        patches = np.stack([field.read(y - half, x - half, self.side, self.side) for y, x in product(down, across)])
        likely = np.argsort(self._classify(patches))[-max(1, len(patches) // 20) :]
        middle = slice(self.side // 4, max(self.side - self.side // 4, self.side // 4 + 1))
        return grey_of(patches[likely][:, middle, middle])

    def _classify(self, patches: np.ndarray) -> np.ndarray:
        """N x side x side x 3 uint8 patches -> N float32 probabilities of the class "cell"."""
        items = np.stack([resize_rgb(patch, (self._size, self._size)) for patch in patches])
        short = -len(items) % BATCH  # full batches only, because kernels depend on the batch size
        items = np.pad(items, ((0, short), *[(0, 0)] * 3), mode="edge")
        found = class_probabilities(self._model, self._transform, items, BATCH, self._tta)
        return found[: len(patches), self._cell].astype(np.float32)

    def _probabilities(self, field: Field, region: Region) -> np.ndarray:
        """Probability of a cell in the patch around each point of a region, H x W float32."""
        rows, columns = region.shape
        left = region.left * self.step + self.step // 2 - self.side // 2
        found = np.empty(region.shape, np.float32)
        waiting: list[np.ndarray] = []
        done = 0
        for row in range(rows):
            top = (region.top + row) * self.step + self.step // 2 - self.side // 2
            strip = field.read(top, left, self.side, (columns - 1) * self.step + self.side)
            windows = sliding_window_view(strip, self.side, axis=1)[:, :: self.step]
            waiting.append(windows.transpose(1, 0, 3, 2))
            if sum(map(len, waiting)) >= BATCH or row == rows - 1:
                found[done : row + 1] = self._classify(np.concatenate(waiting)).reshape(-1, columns)
                waiting, done = [], row + 1
        return found


def _scale_of(fit: Fit | None, folder: Path) -> float:
    """Pixels of the patches per pixel of the field, if its pixels are those of the training images."""
    if not isinstance(fit, Scale):
        return 1.0
    if fit.source_pixels is None:
        raise CytopipeError(
            f"the patches of this model have {fit.um_per_pixel:g} micrometres a pixel",
            where=folder,
            hint=f"name a scale: --scale, the micrometres of a pixel of the field / {fit.um_per_pixel:g}",
        )
    return 1 / fit.source_pixels


def peaks(probability: np.ndarray, blur: float, apart: int, threshold: float, region: Region) -> np.ndarray:
    """Local maxima of a smoothed probability map.

    Args:
        probability: H x W.
        blur: standard deviation of the Gaussian, in points.
        apart: minimum distance (of rows and of columns) from a higher value, in points.
        threshold: minimum smoothed probability.
        region: position of these points on the grid of the field.

    Returns:
        H x W bool, true at each maximum.
    """
    smooth: np.ndarray = ndimage.gaussian_filter(probability.astype(np.float64), blur, mode="nearest", truncate=3)
    rows, columns = np.ogrid[region.top : region.bottom, region.left : region.right]
    smooth += 1e-9 * ((rows * 0.7548776662466927 + columns * 0.5698402909980532) % 1)  # plateaus get one maximum
    highest: np.ndarray = ndimage.maximum_filter(smooth, size=2 * apart + 1, mode="nearest")
    return (smooth >= highest) & (smooth >= threshold)


def discs(points: np.ndarray, side: int) -> np.ndarray:
    """Discs of diameter `side` around the true points of an H x W bool map: H x W int32, numbered in reading order."""
    seeds = np.zeros(points.shape, np.int32)
    for number, (y, x) in enumerate(np.argwhere(points).tolist(), start=1):
        cv2.circle(seeds, (x, y), max(side // 2, 0), number, cv2.FILLED)
    return seeds
