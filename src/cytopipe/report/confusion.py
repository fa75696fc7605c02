"""The confusion matrix of the report: counts, shades, and the images to show for each cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cytopipe.results.predictions import Prediction

LEVELS = 6  # number of shades, by the share of the true class
CAPS = (24, 12, 6, 3, 1)  # images of an off-diagonal cell, tried in this order; a cell on the diagonal has a third
MOST = 600  # images of one classifier at most


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix: the test images of one true and one predicted class."""

    truth: str
    predicted: str
    count: int
    share: float

    @property
    def level(self) -> int:
        """Shade, 0 to LEVELS; 0 for an empty cell."""
        return 0 if not self.count else max(1, round(self.share * LEVELS))

    @property
    def right(self) -> bool:
        """Whether it is on the diagonal."""
        return self.truth == self.predicted


def matrix(predictions: Sequence[Prediction], classes: Sequence[str]) -> list[list[Cell]]:
    """The confusion matrix, with true classes as rows and predicted classes as columns."""
    counts = Counter((one.label, one.predicted) for one in predictions)
    totals = Counter(one.label for one in predictions)
    return [
        [Cell(truth, named, counts[truth, named], counts[truth, named] / max(totals[truth], 1)) for named in classes]
        for truth in classes
    ]


def chosen_images(predictions: Sequence[Prediction]) -> dict[tuple[str, str], list[Prediction]]:
    """Choose the images to show for each cell (true, predicted).

    These are the most confident errors and the least confident correct predictions. A cell shows at most 24 errors, or
    fewer if the images of all cells would make the page too large.
    """
    cells: dict[tuple[str, str], list[Prediction]] = {}
    for one in sorted(predictions, key=lambda one: (one.confidence * (1 if one.correct else -1), one.id)):
        cells.setdefault((one.label, one.predicted), []).append(one)
    for cap in CAPS:
        cut = {
            (truth, named): found[: cap if truth != named else max(1, cap // 3)]
            for (truth, named), found in cells.items()
        }
        if sum(map(len, cut.values())) <= MOST:
            break
    return {key: cut[key] for key in sorted(cut)}
