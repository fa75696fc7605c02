"""Sliding windows that cover an image to its right and bottom edges."""

from __future__ import annotations

import numpy as np


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


def cut(image: np.ndarray, window: int, overlap: float) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Windows of H x W x C: N x window x window x C, and the (top, left) of each."""
    padded = pad_to(image, window)
    corners = [
        (top, left)
        for top in starts(padded.shape[0], window, overlap)
        for left in starts(padded.shape[1], window, overlap)
    ]
    return np.stack([padded[top : top + window, left : left + window] for top, left in corners]), corners


def join(windows: np.ndarray, corners: list[tuple[int, int]], size: tuple[int, int]) -> np.ndarray:
    """Average overlapping windows, N x window x window x C float, into H x W x C; size = (H, W)."""
    window = windows.shape[1]
    height, width = max(size[0], window), max(size[1], window)
    total = np.zeros((height, width, windows.shape[-1]), np.float32)
    times = np.zeros((height, width, 1), np.float32)
    for values, (top, left) in zip(windows, corners, strict=True):
        total[top : top + window, left : left + window] += values
        times[top : top + window, left : left + window] += 1
    return (total / times)[: size[0], : size[1]]
