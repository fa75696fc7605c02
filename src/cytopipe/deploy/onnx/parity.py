"""Compare an exported model with cytopipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from cytopipe.deploy.onnx.source import PROBABILITIES, Checked

Run = Callable[[np.ndarray], Mapping[str, np.ndarray]]  # from items to outputs by name


@dataclass(frozen=True)
class Parity:
    """Agreement of an exported model with cytopipe on the same items.

    Attributes:
        images: number of compared images; for a segmenter, of windows.
        difference: largest absolute difference of any output value, in batches of 1, 2 and all items.
        agreement: share of equal decisions (classes of images or pixels).
    """

    images: int
    difference: float
    agreement: float


def compare(run: Run, checked: Iterable[Checked], decide: Callable[[np.ndarray], np.ndarray]) -> Parity:
    """Run the exported model on items one by one, in pairs and all at once.

    Args:
        run: runs the exported model.
        checked: batches of items with their expected outputs.
        decide: turns probabilities into decisions.
    """
    images, difference, same, decisions = 0, 0.0, 0, 0
    for items, expected in checked:
        images += len(items)
        for size in sorted({1, 2, len(items)}):
            found = _in_batches(run, items, size)
            for name, values in expected.items():
                # np.maximum propagates NaN, which max() could drop.
                difference = float(np.maximum(difference, np.abs(found[name] - values).max()))
            agree = decide(found[PROBABILITIES]) == decide(expected[PROBABILITIES])
            same, decisions = same + int(agree.sum()), decisions + agree.size
    return Parity(images, difference, same / decisions if decisions else 1.0)


def _in_batches(run: Run, items: np.ndarray, size: int) -> dict[str, np.ndarray]:
    parts = [run(items[start : start + size]) for start in range(0, len(items), size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
