"""How often 95 % intervals contain the true value, and how often tests of equal models resolve a difference.

Test sets are drawn whose true value is known: groups with an intraclass correlation (ICC), of unequal sizes (half to
one and a half times the mean). The intervals of `cytopipe.metrics` stand beside the percentile bootstrap over groups.

python benchmarks/coverage.py            some minutes on one core
python benchmarks/coverage.py --write    also docs/coverage.json; then python docs/tools/coverage_tables.py
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from scipy.special import expit
from scipy.stats import norm

from cytopipe.metrics.clusters import LeftOut, each_left_out, ratio
from cytopipe.metrics.intervals import Scale, measured
from cytopipe.metrics.paired import paired_difference
from cytopipe.metrics.scores import confusion, macro_auc, macro_f1

RESULTS = Path(__file__).resolve().parents[1] / "docs/coverage.json"
REPLICATES = 1000  # of the bootstrap
MIXED = (0.5, 0.3, 0.2)  # prevalence of the three classes of macro F1


@dataclass(frozen=True)
class TestSet:
    """One drawn test set: the number without each group, and the bootstrap replicates of it (for the old way)."""

    left: LeftOut
    replicates: np.ndarray


@dataclass(frozen=True)
class Case:
    """A situation: `share` is the true accuracy, AUC or the like, `prevalence` that of the class that counts."""

    metric: str
    groups: int
    size: int
    icc: float
    share: float = 0.9
    prevalence: float = 1.0
    nested: bool = False


@dataclass(frozen=True)
class Covered:
    """Share of intervals that contain the true value, share that lie above it, and mean width; both ways."""

    draws: int
    coverage: float
    above: float
    width: float
    bootstrap_coverage: float
    bootstrap_above: float
    bootstrap_width: float
    withheld: float


def group_sizes(rng: np.random.Generator, case: Case) -> np.ndarray:
    """Unequal numbers of images; equal ones where groups lie within classes, so that the prevalence is known."""
    if case.nested:
        return np.full(case.groups, case.size)
    return rng.integers(max(1, case.size // 2), case.size + case.size // 2 + 1, case.groups)


def weights(rng: np.random.Generator, groups: int) -> np.ndarray:
    """How often each group is drawn: REPLICATES x groups."""
    return rng.multinomial(groups, np.full(groups, 1 / groups), REPLICATES)


def rates(rng: np.random.Generator, case: Case) -> np.ndarray:
    """The probability of a right answer in each group: beta with the mean and the ICC of the case."""
    if not case.icc:
        return np.full(case.groups, case.share)
    strength = (1 - case.icc) / case.icc
    return rng.beta(case.share * strength, (1 - case.share) * strength, case.groups)


def draw_share(rng: np.random.Generator, case: Case) -> TestSet:
    """Accuracy, or with a prevalence below 1 sensitivity: the share of right answers among the images that count."""
    images = rng.binomial(group_sizes(rng, case), case.prevalence)
    right = rng.binomial(images, rates(rng, case))
    drawn = weights(rng, case.groups)
    names = [str(number) for number in range(case.groups)]
    return TestSet(
        ratio(right.astype(float), images.astype(float), names), (drawn @ right) / np.maximum(drawn @ images, 1)
    )


def draw_mean(rng: np.random.Generator, case: Case, value: Callable[[np.ndarray], np.ndarray]) -> TestSet:
    """The mean over images of a function of a normal number with the ICC of the case: Dice, Hausdorff distance."""
    group = np.repeat(np.arange(case.groups), group_sizes(rng, case))
    normal = np.sqrt(case.icc) * rng.normal(size=case.groups)[group]
    values = value(normal + np.sqrt(1 - case.icc) * rng.normal(size=len(group)))
    totals, images = np.bincount(group, values), np.bincount(group)
    drawn = weights(rng, case.groups)
    return TestSet(ratio(values, np.ones(len(group)), group.astype(str).tolist()), (drawn @ totals) / (drawn @ images))


def draw_auc(rng: np.random.Generator, case: Case) -> TestSet:
    """AUC of two classes: normal scores with an effect of every group on each of its classes."""
    group = np.repeat(np.arange(case.groups), group_sizes(rng, case))
    truth = (rng.random(len(group)) < case.prevalence).astype(int)
    if case.nested:
        truth = (group < round(case.prevalence * case.groups)).astype(int)
    effect = rng.normal(size=(case.groups, 2))[group, truth]
    noise = np.sqrt(1 - case.icc) * rng.normal(size=len(group))
    score = norm.ppf(case.share) * np.sqrt(2) * truth + np.sqrt(case.icc) * effect + noise
    probability = np.stack([1 - expit(score), expit(score)], axis=1)
    left = each_left_out(lambda rows: {"": macro_auc(truth[rows], probability[rows])}, group.astype(str).tolist())[""]
    return TestSet(left, _auc_replicates(group, truth, score, weights(rng, case.groups)))


def _auc_replicates(group: np.ndarray, truth: np.ndarray, score: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """AUC is a ratio of sums over pairs of groups: of won pairs of images, and of all."""
    groups, order = drawn.shape[1], np.argsort(score)
    negative = np.zeros((len(group), groups))
    negative[np.arange(len(group)), group] = truth == 0
    below, positive = negative[order].cumsum(axis=0), truth[order] == 1
    won = np.zeros((groups, groups))
    np.add.at(won, group[order][positive], below[positive])
    pairs = (drawn @ np.bincount(group[truth == 1], minlength=groups)) * (drawn @ negative.sum(axis=0))
    known = pairs > 0
    replicates: np.ndarray = ((drawn @ won) * drawn).sum(axis=1)[known] / pairs[known]
    return replicates


def draw_f1(rng: np.random.Generator, case: Case) -> TestSet:
    """Macro F1 of three classes; a wrong answer is either of the other two. The bootstrap counts a missed class 0."""
    group = np.repeat(np.arange(case.groups), group_sizes(rng, case))
    truth = rng.choice(3, len(group), p=MIXED)
    if case.nested:
        truth = class_of_group(case.groups)[group]
    right = rng.random(len(group)) < rates(rng, case)[group]
    predicted = np.where(right, truth, (truth + rng.integers(1, 3, len(group))) % 3)
    scores = np.eye(3)[predicted]
    left = each_left_out(lambda rows: {"": macro_f1(truth[rows], scores[rows])}, group.astype(str).tolist())[""]
    tables = np.array([confusion(truth[group == g], predicted[group == g], 3) for g in range(case.groups)])
    drawn = np.tensordot(weights(rng, case.groups), tables, 1)
    total = drawn.sum(axis=1) + drawn.sum(axis=2)
    hits = np.diagonal(drawn, axis1=1, axis2=2)
    return TestSet(left, (2 * hits / np.maximum(total, 1)).mean(axis=1))


def class_of_group(groups: int) -> np.ndarray:
    """The class of each group where groups lie within classes."""
    return np.minimum(np.searchsorted(np.cumsum(MIXED), (np.arange(groups) + 0.5) / groups), 2)


def true_f1(case: Case) -> float:
    """Macro F1 of infinitely many images."""
    prevalence = np.bincount(class_of_group(case.groups), minlength=3) / case.groups if case.nested else np.array(MIXED)
    hits, wrong = prevalence * case.share, prevalence * (1 - case.share)
    predicted = hits + (wrong.sum() - wrong) / 2
    return float(np.mean(2 * hits / (prevalence + predicted)))


def dice(normal: np.ndarray) -> np.ndarray:
    """A Dice coefficient of a standard normal number."""
    return np.asarray(expit(2.5 + normal))


def distance(normal: np.ndarray) -> np.ndarray:
    """A distance in pixels of a standard normal number."""
    return np.asarray(5 * np.exp(0.7 * normal))


_QUANTILES = norm.ppf((np.arange(100_000) + 0.5) / 100_000)
KINDS: dict[str, tuple[Callable[[np.random.Generator, Case], TestSet], Callable[[Case], float], Scale]] = {
    "accuracy": (draw_share, lambda case: case.share, "share"),
    "sensitivity": (draw_share, lambda case: case.share, "share"),
    "AUC": (draw_auc, lambda case: case.share, "share"),
    "macro F1": (draw_f1, true_f1, "share"),
    "Dice": (partial(draw_mean, value=dice), lambda case: float(dice(_QUANTILES).mean()), "share"),
    "Hausdorff distance": (
        partial(draw_mean, value=distance),
        lambda case: float(distance(_QUANTILES).mean()),
        "positive",
    ),
}


def cases() -> Iterator[Case]:
    """The situations of the table."""
    for groups, size in ((5, 40), (10, 40), (15, 20), (30, 10), (30, 40)):
        for share, icc in ((0.9, 0.0), (0.9, 0.1), (0.965, 0.12)):
            yield Case("accuracy", groups, size, icc, share)
        yield Case("sensitivity", groups, size, 0.1, prevalence=0.3)
        yield Case("AUC", groups, size, 0.1, prevalence=0.5)
        yield Case("AUC", groups, size, 0.1, 0.97, prevalence=0.2)
        yield Case("macro F1", groups, size, 0.1, 0.85)
        if groups >= 15:
            yield Case("AUC", groups, size, 0.1, prevalence=0.5, nested=True)
            yield Case("macro F1", groups, size, 0.1, 0.85, nested=True)
        yield Case("Dice", groups, size, 0.3)
        yield Case("Hausdorff distance", groups, size, 0.3)


def covered(case: Case, draws: int, seed: int = 0) -> Covered:
    """Draw test sets of a case and count."""
    draw, value_of, scale = KINDS[case.metric]
    rng, value = np.random.default_rng([seed, case.groups, case.size]), value_of(case)
    new, old = [], []
    for _ in range(draws):
        one = draw(rng, case)
        found = measured(one.left, scale)
        new.append((np.nan, np.nan) if found.low is None or found.high is None else (found.low, found.high))
        old.append(np.quantile(one.replicates, [0.025, 0.975]))
    given = [limits for limits in new if np.isfinite(limits[0])]
    ours, theirs = _counted(np.array(given), value), _counted(np.array(old), value)
    return Covered(draws, *ours, *theirs, withheld=round(1 - len(given) / draws, 3))


def _counted(limits: np.ndarray, value: float) -> tuple[float, float, float]:
    inside = (limits[:, 0] <= value) & (value <= limits[:, 1])
    width = float((limits[:, 1] - limits[:, 0]).mean())
    return round(float(inside.mean()), 3), round(float((limits[:, 0] > value).mean()), 3), float(f"{width:.3g}")


def false_alarms(groups: int, size: int, icc: float, draws: int, seed: int = 0) -> dict[str, Any]:
    """Share of pairs of equally good classifiers that are called different at .05."""
    rng = np.random.default_rng([seed, groups, size])
    t_test = bootstrap = 0
    for _ in range(draws):
        images = rng.integers(max(1, size // 2), size + size // 2 + 1, groups)
        group = np.repeat(np.arange(groups), images)
        tilt = np.sqrt(icc) * rng.normal(size=groups)[group]  # what one likes more in a group than the other
        better = tilt + np.sqrt(1 - icc) * rng.normal(size=len(group))
        difference = np.where(np.abs(better) > 1.2, np.sign(better), 0)
        p = paired_difference(difference, group.astype(str).tolist()).p
        t_test += p is not None and p < 0.05
        drawn = weights(rng, groups)
        means = drawn @ np.bincount(group, difference) / (drawn @ images)
        bootstrap += 2 * (min((means <= 0).sum(), (means >= 0).sum()) + 1) / (REPLICATES + 1) < 0.05
    shares = {"cluster_t": round(t_test / draws, 3), "bootstrap": round(bootstrap / draws, 3)}
    return {"groups": groups, "size": size, "icc": icc, "draws": draws, **shares}


def main(
    draws: Annotated[int, typer.Option(min=10, help="Test sets of every case.")] = 1000,
    write: Annotated[bool, typer.Option(help="Also write docs/coverage.json.")] = False,
) -> None:
    """Measure and print the coverage of intervals, and the false alarms of paired tests."""
    intervals = []
    for case in cases():
        intervals.append({**asdict(case), **asdict(covered(case, draws))})
        print(json.dumps(intervals[-1]), flush=True)
    tests = [
        false_alarms(groups, size, icc, draws)
        for groups, size in ((5, 40), (10, 40), (15, 20), (30, 10))
        for icc in (0.0, 0.1)
    ]
    print(json.dumps(tests))
    if write:
        RESULTS.write_text(json.dumps({"intervals": intervals, "tests": tests}, indent=1) + "\n")
        print(RESULTS)


if __name__ == "__main__":
    typer.run(main)
