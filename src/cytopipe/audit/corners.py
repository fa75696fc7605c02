"""What is finer than its surroundings in the corners of an image, where marks stand."""

from __future__ import annotations

import cv2
import numpy as np

LARGEST_CORNER = 32  # pixels
_MEDIAN_PX = 5  # window of the surroundings; strokes of up to two pixels are finer
_MOST = 60  # grey levels; more does not count more


def corner_side(sides: np.ndarray) -> int:
    """Side of the corners, so that those of the smallest image do not overlap, for the shorter sides of all images."""
    return max(1, min(LARGEST_CORNER, int(sides.min()) // 2))


def corners(grey: np.ndarray, side: int) -> np.ndarray:
    """What is finer than its surroundings in the four corners of an H x W uint8 image, in its own pixels.

    Returns:
        2 side x 2 side int8, the corners side by side as in the image; all of it where the image is no larger.
    """
    fine: np.ndarray = grey.astype(np.int16) - cv2.medianBlur(grey, _MEDIAN_PX)
    rows = np.r_[0:side, grey.shape[0] - side : grey.shape[0]]
    columns = np.r_[0:side, grey.shape[1] - side : grey.shape[1]]
    found: np.ndarray = fine[np.ix_(rows, columns)].clip(-_MOST, _MOST).astype(np.int8)
    return found
