"""Focal planes: how sharp a cell is in each, and the one in which it is sharpest."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from cytopipe.data.imaging.boxes import overlap
from cytopipe.slides.cells import Candidate

SAME = 0.3  # intersection over union of two boxes of different planes from which they are one cell


def focus(image: np.ndarray) -> float:
    """Variance of the Laplacian of the grey values of an H x W x 3 uint8 image, 0 or more.

    Pech-Pacheco et al. 2000 (doi:10.1109/ICPR.2000.903548).
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F, borderType=cv2.BORDER_REPLICATE).var())


def sharpest(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Each cell once: of candidates of different planes that overlap, the one that is in focus.

    Candidates of one plane are different cells, however much they overlap.

    Args:
        candidates: the cells of one tile in all planes.

    Returns:
        The cells that remain, in their order.
    """
    kept: list[Candidate] = []
    for one in sorted(candidates, key=lambda one: (-one.focus, one.plane)):
        others = (other for other in kept if other.plane != one.plane)
        if all(overlap(one.cell.box, other.cell.box) < SAME for other in others):
            kept.append(one)
    chosen = {id(one) for one in kept}
    return [one for one in candidates if id(one) in chosen]
