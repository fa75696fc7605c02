"""How often the interval of a drop between two laboratories holds the true one, and how often it finds a planted one.

Predictions of both sides are drawn in groups with an intraclass correlation (ICC), of unequal sizes (half to one and a
half times the mean). Where the laboratories are identical, the interval must hold 0 in about 95 of 100 draws.

python benchmarks/external.py            a minute or two on one core
python benchmarks/external.py --write    also docs/external.json
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from cytopipe.metrics.clusters import LeftOut, each_left_out, ratio
from cytopipe.metrics.independent import independent_difference
from cytopipe.metrics.intervals import Measured
from cytopipe.metrics.scores import macro_auc

RESULTS = Path(__file__).resolve().parents[1] / "docs/external.json"
SEPARATION = 1.8  # of the two classes of AUC, standard deviations of the images within a group


@dataclass(frozen=True)
class Case:
    """Two laboratories: groups of each, mean images of a group, ICC, the accuracy at home, and the drop there."""

    metric: str
    home: int
    there: int
    size: int
    icc: float
    accuracy: float = 0.9
    drop: float = 0.0


@dataclass(frozen=True)
class Found:
    """Share of intervals that hold the true drop, that lie above 0, and that lie below it; their mean width."""

    case: Case
    draws: int
    holds: float
    drop_found: float
    gain_found: float
    width: float


CASES = (
    *(Case("accuracy", home, there, 12, 0.1) for home, there in ((5, 5), (10, 10), (30, 10), (10, 40), (40, 40))),
    *(Case("accuracy", 20, 20, 12, icc) for icc in (0.02, 0.3)),
    Case("accuracy", 20, 20, 12, 0.1, accuracy=0.98),
    *(Case("accuracy", 20, 20, 12, 0.1, drop=drop) for drop in (0.05, 0.15, 0.25)),
    *(Case("auc", groups, groups, 12, 0.1) for groups in (10, 20)),
)


def _groups(count: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """The group of each image."""
    sizes = np.maximum(rng.integers(size // 2, size + size // 2 + 1, count), 1)
    return np.repeat(np.arange(count), sizes)


def accuracy_of(count: int, size: int, share: float, icc: float, rng: np.random.Generator) -> LeftOut:
    """Right answers in groups: the share of each is beta distributed about `share`, so that the ICC is exact."""
    member = _groups(count, size, rng)
    spread = (1 - icc) / icc
    right = rng.random(len(member)) < rng.beta(share * spread, (1 - share) * spread, count)[member]
    return ratio(right.astype(float), np.ones(len(member)), [str(one) for one in member])


def auc_of(count: int, size: int, icc: float, rng: np.random.Generator) -> LeftOut:
    """AUC of scores that groups shift; every group holds both classes."""
    member = _groups(count, size, rng)
    truth = rng.integers(0, 2, len(member))
    shift = rng.normal(size=count) * np.sqrt(icc / (1 - icc))
    score = SEPARATION * truth + shift[member] + rng.normal(size=len(member))
    both = np.stack([-score, score], axis=1)
    return each_left_out(lambda rows: {"": macro_auc(truth[rows], both[rows])}, [str(one) for one in member])[""]


def draw(case: Case, rng: np.random.Generator) -> Measured:
    """The drop of one pair of drawn laboratories."""
    sides = []
    for count, share in ((case.home, case.accuracy), (case.there, case.accuracy - case.drop)):
        drawn = accuracy_of(count, case.size, share, case.icc, rng) if case.metric == "accuracy" else None
        sides.append(drawn or auc_of(count, case.size, case.icc, rng))
    return independent_difference(sides[0], sides[1], "share", ("at home", "there"))


def measure(case: Case, draws: int, seed: int = 0) -> Found:
    """Draw many pairs of laboratories."""
    rng = np.random.default_rng(seed)
    found = [draw(case, rng) for _ in range(draws)]
    low, high = (np.array([getattr(one, side) for one in found], float) for side in ("low", "high"))
    holds = (low <= case.drop) & (case.drop <= high)
    return Found(
        case,
        draws,
        round(float(holds.mean()), 4),
        round(float((low > 0).mean()), 4),
        round(float((high < 0).mean()), 4),
        round(float((high - low).mean()), 4),
    )


def main(
    write: Annotated[bool, typer.Option("--write", help="Write docs/external.json.")] = False,
    draws: Annotated[int, typer.Option(help="Pairs of laboratories for each case.")] = 2000,
) -> None:
    """Draw every case, and print or store what was found."""
    found = []
    for case in CASES:
        found.append(measure(case, draws if case.metric == "accuracy" else draws // 4))
        print(json.dumps(asdict(found[-1])))
    if write:
        RESULTS.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
