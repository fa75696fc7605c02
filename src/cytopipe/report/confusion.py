"""A confusion matrix whose cells lead to images: counts, shades, and which images of a cell are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cytopipe.results.predictions import Prediction

LEVELS = 6  # of shade, by the share of the true class
CAPS = (24, 12, 6, 3, 1)  # images of a cell with mistakes; of a cell without, a third
MOST = 600  # images of one classifier


@dataclass(frozen=True)
class Cell:
    """Test images of one true and one predicted class."""

    truth: str
    predicted: str
    count: int
    share: float

    @property
    def level(self) -> int:
        """Shade, 0 to LEVELS."""
        return 0 if not self.count else max(1, round(self.share * LEVELS))

    @property
    def right(self) -> bool:
        """Whether it lies on the diagonal."""
        return self.truth == self.predicted


def matrix(predictions: Sequence[Prediction], classes: Sequence[str]) -> list[list[Cell]]:
    """Rows of true classes, columns of predicted ones; a class without images has a row of zeros."""
    counts = Counter((one.label, one.predicted) for one in predictions)
    totals = Counter(one.label for one in predictions)
    return [
        [Cell(truth, named, counts[truth, named], counts[truth, named] / max(totals[truth], 1)) for named in classes]
        for truth in classes
    ]


def chosen_images(predictions: Sequence[Prediction]) -> dict[tuple[str, str], list[Prediction]]:
    """The images to show of each cell (true, predicted): the surest mistakes, and the least sure of what is right.

    A cell shows 24 mistakes at most, or fewer where the classifier makes so many kinds of them that the page would
    grow heavy.
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
