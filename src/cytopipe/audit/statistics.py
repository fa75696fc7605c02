"""Statistics that reflect how an image was made: size, file, JPEG blocks, border, brightness, contrast, sharpness.

Each family gets its own probe, so that a finding names what reveals the class.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, JpegImagePlugin

from cytopipe.data.imaging.channels import is_tiff
from cytopipe.data.imaging.opening import opened

FAMILIES: dict[str, tuple[str, ...]] = {
    "size": ("width", "height", "aspect"),
    "file": ("is_jpeg", "jpeg_quality", "chroma_subsampling"),
    "blocks": ("blockiness",),
    "border": ("black_border", "white_border", "repeated_border"),
    "brightness": ("brightness", "darkest", "brightest"),
    "contrast": ("contrast", "range"),
    "sharpness": ("edges", "grain"),
}
NAMES = tuple(name for family in FAMILIES.values() for name in family)
LOSSLESS = 101.0  # stands for the JPEG quality of files that are not JPEGs

_DARK, _LIGHT = 3, 252  # limits of black and white in grey levels, with tolerance for rounding and compression


def image_statistics(image: np.ndarray) -> dict[str, float]:
    """All statistics of the pixels; `blockiness` measures the 8 px grid of a JPEG and is 1 without a grid.

    Args:
        image: H x W x 3 uint8 RGB.
    """
    height, width = image.shape[:2]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    values = grey.astype(np.float64)
    low, high = np.quantile(values, (0.02, 0.98))
    contrast = float(values.std())
    laplacian = cv2.Laplacian(values, cv2.CV_64F)
    fine = values - cv2.medianBlur(grey, 3)
    return {
        "width": float(np.log(width)),
        "height": float(np.log(height)),
        "aspect": float(np.log(width / height)),
        "blockiness": blockiness(values),
        **border(grey),
        "brightness": float(values.mean()),
        "darkest": float(low),
        "brightest": float(high),
        "contrast": contrast,
        "range": float(high - low),
        # Relative to the contrast, because a pale image is not a blurred one.
        "edges": float(np.log((laplacian.std() + 0.1) / (contrast + 0.1))),
        "grain": float(np.log((np.abs(fine).mean() + 0.1) / (contrast + 0.1))),
    }


def blockiness(grey: np.ndarray) -> float:
    """Differences across the lines of an 8 px grid, relative to those elsewhere; the maximum over grid positions.

    After Wang, Sheikh and Bovik 2002. A JPEG that was saved again as a PNG keeps its grid.

    Args:
        grey: H x W float64.
    """
    worst = 1.0
    for steps in (np.abs(np.diff(grey, axis=1)).mean(axis=0), np.abs(np.diff(grey, axis=0)).mean(axis=1)):
        if len(steps) < 24:
            continue  # the grid has fewer than three lines
        phases = np.array([steps[phase::8].mean() for phase in range(8)])
        worst = max(worst, float((phases.max() + 0.1) / (np.median(phases) + 0.1)))
    return worst


def border(grey: np.ndarray) -> dict[str, float]:
    """Shares of the border pixels of H x W uint8 that are black, white, or equal to the next pixel, as in padding."""
    second, last = (min(1, length - 1) for length in grey.shape), (max(0, length - 2) for length in grey.shape)
    (row, column), (low, right) = second, last
    sides = ((grey[0], grey[row]), (grey[-1], grey[low]), (grey[:, 0], grey[:, column]), (grey[:, -1], grey[:, right]))
    ring = np.concatenate([outer for outer, _ in sides])
    inner = np.concatenate([inside for _, inside in sides])
    return {
        "black_border": float((ring <= _DARK).mean()),
        "white_border": float((ring >= _LIGHT).mean()),
        "repeated_border": float((ring == inner).mean()),
    }


@cache
def file_statistics(path: Path) -> dict[str, float]:
    """Statistics of a publisher's file: whether it is a JPEG, its quality (1 to 100, or LOSSLESS), chroma subsampling.

    Raises:
        CytopipeError: the file is not an image.
    """
    lossless = {"is_jpeg": 0.0, "jpeg_quality": LOSSLESS, "chroma_subsampling": 0.0}
    if path.is_file() and is_tiff(path):  # PIL does not open all that organize reads
        return lossless
    with opened(path) as image:
        tables = getattr(image, "quantization", None)
        if image.format not in ("JPEG", "MPO") or not tables:
            return lossless
        sampling = max(0, JpegImagePlugin.get_sampling(image))
        return {"is_jpeg": 1.0, "jpeg_quality": jpeg_quality(tables[0]), "chroma_subsampling": float(sampling)}


def jpeg_quality(table: Sequence[int]) -> float:
    """Estimate the quality of a JPEG: that of the libjpeg luminance table with the nearest sum.

    Args:
        table: the 64 luminance quantisation steps.
    """
    return float(1 + np.abs(_table_sums() - sum(table)).argmin())


@cache
def _table_sums() -> np.ndarray:
    """Sums of libjpeg's luminance tables at qualities 1 to 100."""
    sums = []
    for quality in range(1, 101):
        buffer = io.BytesIO()
        Image.new("L", (8, 8)).save(buffer, "JPEG", quality=quality)
        with Image.open(buffer) as image:
            sums.append(sum(image.quantization[0]))  # type: ignore[attr-defined]
    return np.array(sums)
