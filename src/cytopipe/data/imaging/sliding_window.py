"""Sliding windows that cover an image to its right and bottom edges."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

Corner = tuple[int, int]  # top, left of a window, pixels


def starts(length: int, window: int, overlap: float) -> list[int]:
    """First pixels of the windows along one side; the last one ends exactly at the side's end.

    Args:
        length: of the side, at least `window` (pad smaller images first).
        window: side of the window, pixels.
        overlap: wanted share of a window that its neighbour covers, 0 to below 1.
    """
    stride = max(1, round(window * (1 - overlap)))
    positions = list(range(0, max(length - window, 0), stride))
    return [*positions, max(length - window, 0)]


def pad_to(image: np.ndarray, window: int) -> np.ndarray:
    """Repeat the right and bottom edges of H x W x C until both sides reach `window`."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, max(0, window - height)), (0, max(0, window - width)), (0, 0)), mode="edge")


def cut(image: np.ndarray, window: int, overlap: float) -> tuple[np.ndarray, list[Corner]]:
    """Windows of H x W x C: N x window x window x C, and the (top, left) of each."""
    padded = pad_to(image, window)
    corners = [
        (top, left)
        for top in starts(padded.shape[0], window, overlap)
        for left in starts(padded.shape[1], window, overlap)
    ]
    return np.stack([padded[top : top + window, left : left + window] for top, left in corners]), corners


# MONAI's sliding_window_inference would give other masks: it pads a small image on both sides and rounds strides down.
# It also takes images whole, where fields are read strip by strip and windows of several images share a forward pass.
def stitch(
    windows: Iterable[np.ndarray],
    corners: Iterable[Corner],
    shape: tuple[int, int, int],
    origin: Corner = (0, 0),
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Weighted mean of the windows that cover an area of an image.

    Args:
        windows: S x S x C float32 each; they may reach beyond the area.
        corners: (top, left) of each in the image, pixels.
        shape: (H, W, C) of the area, all of which the windows must cover.
        origin: (top, left) of the area in the image, pixels.
        weights: S x S x 1 float32 of the points of a window; None weighs all alike.

    Returns:
        H x W x C float32.
    """
    height, width, _ = shape
    total, weight = np.zeros(shape, np.float32), np.zeros((height, width, 1), np.float32)
    for values, (top, left) in zip(windows, corners, strict=True):
        own = np.ones((*values.shape[:2], 1), np.float32) if weights is None else weights
        rows, window_rows = _overlap(top - origin[0], values.shape[0], height)
        columns, window_columns = _overlap(left - origin[1], values.shape[1], width)
        total[rows, columns] += (values * own)[window_rows, window_columns]
        weight[rows, columns] += own[window_rows, window_columns]
    return total / weight


def _overlap(start: int, window: int, length: int) -> tuple[slice, slice]:
    """The stretch that a window at `start` shares with an area of `length`: in the area, and in the window."""
    first = max(start, 0)
    last = max(first, min(start + window, length))  # beside the area they share nothing
    return slice(first, last), slice(first - start, last - start)
