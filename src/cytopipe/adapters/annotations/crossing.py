"""Whether a polygon crosses itself."""

from __future__ import annotations

import numpy as np

_AT_ONCE = 1 << 20  # pairs of edges that are compared at a time


def crosses_itself(points: np.ndarray) -> bool:
    """Whether two edges of a closed ring cross, P x 2 float; edges that only touch do not.

    Edges are compared if their ranges of x overlap, or of y if that leaves fewer pairs: a few for each edge of a cell.
    """
    ring = points[:-1] if len(points) > 1 and (points[0] == points[-1]).all() else points
    starts, stops = ring, np.roll(ring, -1, axis=0)
    orders = [_candidates(starts[:, axis], stops[:, axis]) for axis in (0, 1)]
    order, last = min(orders, key=lambda found: int(found[1].sum()))
    starts, stops = starts[order], stops[order]
    begin = 0
    while begin < len(order):
        sums = np.cumsum(last[begin:])
        end = begin + max(1, int(np.searchsorted(sums, _AT_ONCE)))
        counts = last[begin:end]
        one = np.repeat(np.arange(begin, end), counts)
        other = one + 1 + np.arange(len(one)) - np.repeat(np.cumsum(counts) - counts, counts)
        if _cross(starts[one], stops[one], starts[other], stops[other]).any():
            return True
        begin = end
    return False


def _candidates(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges by their least coordinate, and with how many of those that follow each overlaps."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    order = np.argsort(low, kind="stable")
    counts = np.searchsorted(low[order], high[order], side="right") - np.arange(len(order)) - 1
    return order, np.maximum(counts, 0)


def _cross(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Whether edges from a to b and from c to d cross inside both, N x 2 each."""

    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.sign(
            (q[:, 0] - p[:, 0]) * (r[:, 1] - p[:, 1]) - (q[:, 1] - p[:, 1]) * (r[:, 0] - p[:, 0])
        )
        return found

    result: np.ndarray = (side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)
    return result
