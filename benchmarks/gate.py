"""How often the gate refuses a change, by simulation: false alarms of models that are as good, and planted losses.

python benchmarks/gate.py --write   also writes docs/gate.json
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from cytopipe.gate.baseline import Expectation
from cytopipe.gate.checks import margin_of, verdict
from cytopipe.gate.collapse import collapsed
from cytopipe.gate.results import Change, Number
from cytopipe.metrics.paired import paired_difference
from cytopipe.metrics.registry import find

RESULTS = Path(__file__).resolve().parent.parent / "docs/gate.json"
ACCURACY = 0.9
SETTINGS = ((10, 41, 0.1), (10, 41, 0.3), (30, 27, 0.1), (8, 10, 0.1), (100, 1, 0.0))  # groups, images of each, ICC
Right = np.ndarray


def draw(rng: np.random.Generator, groups: int, images: int, icc: float, accuracy: float = ACCURACY) -> Right:
    """Right answers (groups x images) of a model whose accuracy differs between groups (beta-binomial)."""
    if icc:
        spread = 1 / icc - 1
        of_group = rng.beta(accuracy * spread, (1 - accuracy) * spread, (groups, 1))
    else:
        of_group = np.full((groups, 1), accuracy)
    return (rng.random((groups, images)) < of_group).astype(float)


def trained_again(rng: np.random.Generator, before: Right) -> Right:
    """A model that is as good: it errs as often in each group, half of the time on the same images."""
    again = np.take_along_axis(before, rng.permuted(np.tile(np.arange(before.shape[1]), (len(before), 1)), axis=1), 1)
    return np.where(rng.random(before.shape) < 0.5, before, again)


def drawn_again(rng: np.random.Generator, before: Right) -> Right:
    """A model that is as good over all, whose good and bad groups are others."""
    return before[rng.permutation(len(before))]


def lost_group(rng: np.random.Generator, before: Right) -> Right:
    """One group is lost."""
    after = trained_again(rng, before)
    after[0] = 0
    return after


def lost(share: float) -> Callable[[np.random.Generator, Right], Right]:
    """This share of the right answers is lost, anywhere."""
    return lambda rng, before: trained_again(rng, before) * (rng.random(before.shape) >= share)


CHANGES = {
    "trained again": trained_again,
    "other groups hard": drawn_again,
    "lost .05": lost(0.05),
    "lost .10": lost(0.10),
    "lost a group": lost_group,
}


def refused(before: Right, after: Right) -> tuple[bool, bool]:
    """Whether the gate refuses, and whether the interval alone does."""
    groups = [str(number) for number in range(len(before)) for _ in range(before.shape[1])]
    gains = (after - before).ravel()
    found = paired_difference(gains, groups)
    metric = find("accuracy")
    assert metric
    was = Expectation(value=before.mean(), low=None, high=None, direction="higher", tolerance=metric.tolerance)
    change, now = Change(found.estimate, found.low, found.high), Number(float(after.mean()))
    alone = verdict(was, now, change) == "worse"
    whole = verdict(was, now, change, margin_of("accuracy")) == "worse" or collapsed(gains, groups, metric.collapse)
    return bool(whole), alone


def main(
    draws: Annotated[int, typer.Option(help="Draws of each setting.")] = 1000,
    write: Annotated[bool, typer.Option(help="Also write docs/gate.json.")] = False,
) -> None:
    """Print the share of draws that are refused, with the margin and collapsed groups and by the interval alone."""
    rows = []
    for groups, images, icc in SETTINGS:
        for name, change in CHANGES.items():
            rng = np.random.default_rng(0)
            found = []
            for _ in range(draws):
                before = draw(rng, groups, images, icc)
                found.append(refused(before, change(rng, before)))
            whole, alone = np.mean(found, axis=0).round(3).tolist()
            rows.append(
                {"groups": groups, "images": images, "icc": icc, "change": name, "refused": whole, "interval": alone}
            )
            print(json.dumps(rows[-1]), flush=True)
    if write:
        RESULTS.write_text(json.dumps({"accuracy": ACCURACY, "draws": draws, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
