"""Fields of 200 x 300 pixels with square cells, for which every metric is known exactly."""

from __future__ import annotations

import numpy as np

from cytopipe.metrics.detection import Detection, ScreenedField, TrueCell


def square(left: int, top: int, side: int) -> np.ndarray:
    """Outline of a square of `side` x `side` pixels, through its outermost pixels."""
    right, bottom = left + side - 1, top + side - 1
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def true(left: int, top: int, side: int, label: str = "a") -> TrueCell:
    return TrueCell(f"{left}_{top}", label, square(left, top, side).astype(float))


def found(left: int, top: int, side: int, label: str = "a", score: float = 0.9) -> Detection:
    return Detection((left, top, left + side, top + side), square(left, top, side), score, label)


def field(trues: list[TrueCell], founds: list[Detection], name: str = "f", group: str = "g") -> ScreenedField:
    return ScreenedField(name, group, 200, 300, trues, founds)
