"""Do guarantees hold for new groups? Cohorts are drawn whose true coverage and sensitivity are known.

A calibration cohort has patients with several images; a patient's images share an ease, and a tendency to each class.
Its thresholds are tried on 100,000 other patients. The patients differ in their number of images; in one case, patients
with many images are also the easy ones, as where a slide of many cells is well stained.

- sets of classes: as if images were exchangeable; one image of each group (Dunn 2023); one image of each group, many
  times, with twice the mean p-value (Dunn 2023); over groups, as cytopipe does (Lee 2023). And the score of APS
  (Romano 2020) in place of the probability, over groups.
- sensitivity of patients: the threshold that finds 95 % of the abnormal calibration patients; the exact bound, with
  95 % confidence; the bound on average. And the exact bound for cells, as if those of a patient were independent.

python benchmarks/guarantees.py            two minutes on one core
python benchmarks/guarantees.py --write    also docs/guarantees.json; then python docs/tools/guarantee_tables.py
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from scipy.special import softmax

from cytopipe.metrics.conformal import group_threshold, image_threshold
from cytopipe.metrics.risk_control import threshold_for_sensitivity

STORED = Path(__file__).resolve().parents[1] / "docs/guarantees.json"
CLASSES, IMAGES = 5, 10  # mean number of images of a patient
NEW = 100_000  # patients on which thresholds are tried
COVERAGE, SENSITIVITY, CONFIDENCE = 0.9, 0.95, 0.95
SHORT = 0.05  # a cohort is short if its true coverage is this much below the promise


@dataclass(frozen=True)
class Case:
    """How patients differ: share of the variance between them; a class for each; easy ones have more images."""

    name: str
    icc: float
    nested: bool = True
    easy_are_large: bool = False


CASES = (
    Case("no group effect", 0.0, nested=False),
    Case("groups differ", 0.3),
    Case("groups differ much", 0.6),
    Case("easy groups are larger", 0.3, easy_are_large=True),
)
GROUPS = (10, 20, 40, 80, 160)
ABNORMAL = (60, 120, 240)  # abnormal patients of a cohort


@dataclass(frozen=True)
class Cohort:
    """Images of patients: N group numbers from 0, N class indices, N x classes probabilities."""

    group: np.ndarray
    truth: np.ndarray
    shares: np.ndarray

    @property
    def own(self) -> np.ndarray:
        """Probabilities of the true classes."""
        return _at(self.shares, self.truth)

    @property
    def names(self) -> Sequence[str]:
        """The groups as text."""
        return [f"{number:04}" for number in self.group.tolist()]

    @property
    def weights(self) -> np.ndarray:
        """Each group has the same weight, shared by its images; they add up to 1."""
        share = 1 / np.bincount(self.group)[self.group]
        return np.asarray(share / share.sum())


def _at(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    return np.asarray(values[np.arange(len(index)), index])


def draw(rng: np.random.Generator, case: Case, groups: int) -> Cohort:
    """A cohort of so many patients."""
    ease = rng.normal(size=groups)
    size = np.exp((ease if case.easy_are_large else rng.normal(size=groups)) - 0.5)
    group = np.repeat(np.arange(groups), np.maximum(1, np.round(IMAGES * size)).astype(int))
    truth = rng.integers(0, CLASSES, groups)[group] if case.nested else rng.integers(0, CLASSES, len(group))
    shared, own = np.sqrt(case.icc), np.sqrt(1 - case.icc)
    logits = 1.4 * (shared * rng.normal(size=(groups, CLASSES))[group] + own * rng.normal(size=(len(group), CLASSES)))
    logits[np.arange(len(group)), truth] += 2.2 + 1.5 * shared * ease[group]
    return Cohort(group, truth, softmax(logits, axis=1))


def one_each(rng: np.random.Generator, cohort: Cohort) -> np.ndarray:
    """One image of each group, drawn at random: G indices."""
    order = rng.permutation(len(cohort.group))
    return np.asarray(order[np.unique(cohort.group[order], return_index=True)[1]])


def tail(shares: np.ndarray) -> np.ndarray:
    """APS as a score that is high for likely classes: the probability from this class down, N x classes."""
    order = np.argsort(shares, axis=1)
    sums = np.cumsum(np.take_along_axis(shares, order, axis=1), axis=1)
    return np.take_along_axis(sums, np.argsort(order, axis=1), axis=1)


@dataclass(frozen=True)
class Population:
    """New patients: the true coverage and mean set size of any threshold, for scores that are high for likely classes.

    The most probable class is always in the set.
    """

    own: np.ndarray
    own_weights: np.ndarray
    every: np.ndarray
    every_weights: np.ndarray

    @classmethod
    def of(cls, cohort: Cohort, score: Callable[[np.ndarray], np.ndarray]) -> Population:
        """Sort the scores of a cohort."""
        values = score(cohort.shares)
        values[np.arange(len(values)), cohort.shares.argmax(axis=1)] = np.inf
        own, every, weights = _at(values, cohort.truth), values.ravel(), np.repeat(cohort.weights, CLASSES)
        first, second = np.argsort(own), np.argsort(every)
        return cls(own[first], _above(cohort.weights[first]), every[second], _above(weights[second]))

    def coverage(self, least: np.ndarray) -> np.ndarray:
        """The share of new images whose set has its class, patients with equal weight, for each threshold."""
        return np.asarray(self.own_weights[np.searchsorted(self.own, least)])

    def size(self, least: np.ndarray) -> np.ndarray:
        """The mean number of classes of a set, for each threshold."""
        return np.asarray(self.every_weights[np.searchsorted(self.every, least)])


def _above(weights: np.ndarray) -> np.ndarray:
    """The weight of each place and those after it, and 0."""
    return np.append(np.cumsum(weights[::-1])[::-1], 0.0)


def sets(rng: np.random.Generator, case: Case, draws: int, patients: int = NEW) -> Iterator[dict[str, Any]]:
    """Coverage of every way to draw sets in so many new patients, for each number of calibration groups."""
    new = draw(rng, case, patients)
    plain, aps = Population.of(new, np.copy), Population.of(new, tail)
    for groups in GROUPS:
        found: dict[str, list[float]] = {name: [] for name in ("images", "one", "repeated", "groups", "aps")}
        for _ in range(draws):
            cohort = draw(rng, case, groups)
            own, names = cohort.own, cohort.names
            thresholds = {
                "images": image_threshold(own, COVERAGE),
                "one": image_threshold(own[one_each(rng, cohort)], COVERAGE),
                # The mean p-value of infinitely many draws is that of all images; twice it asks for half the error.
                "repeated": group_threshold(own, names, (1 + COVERAGE) / 2),
                "groups": group_threshold(own, names, COVERAGE),
                "aps": group_threshold(_at(tail(cohort.shares), cohort.truth), names, COVERAGE),
            }
            for name, least in thresholds.items():
                found[name].append(least or 0.0)  # without a threshold, a set has all classes
        for name, each in found.items():
            where = aps if name == "aps" else plain
            yield {**asdict(case), "groups": groups, "method": name, **_tested(where, np.array(each))}


def _tested(where: Population, least: np.ndarray) -> dict[str, float]:
    """Mean coverage of cohorts with its standard error, share of cohorts that fall short, and mean size of sets."""
    reached = where.coverage(least)
    return {
        "coverage": float(reached.mean()),
        "error": float(reached.std(ddof=1) / np.sqrt(len(reached))),
        "short": float((reached < COVERAGE - SHORT).mean()),
        "size": float(where.size(least).mean()),
    }


def sensitivities(rng: np.random.Generator, draws: int, patients: int = NEW) -> Iterator[dict[str, Any]]:
    """How often the true sensitivity reaches the promise; a patient's score is the largest of its cells.

    Those of `cells` are the share of abnormal cells that reach a threshold of cells.
    """
    cells, largest = (np.sort(one) for one in abnormal_patients(rng, patients))
    for count in ABNORMAL:
        reached: dict[str, list[float]] = {name: [] for name in ("empirical", "confident", "average", "cells")}
        for _ in range(draws):
            of_cells, scores = abnormal_patients(rng, count)
            every, each = np.ones(count, bool), np.ones(len(of_cells), bool)
            for name, population, threshold in (
                ("empirical", largest, float(np.sort(scores)[int((1 - SENSITIVITY) * count)])),
                ("confident", largest, threshold_for_sensitivity(scores, every, SENSITIVITY, CONFIDENCE)),
                ("average", largest, threshold_for_sensitivity(scores, every, SENSITIVITY, None)),
                ("cells", cells, threshold_for_sensitivity(of_cells, each, SENSITIVITY, CONFIDENCE)),
            ):
                assert threshold is not None
                reached[name].append(1 - float(np.searchsorted(population, threshold)) / len(population))
        for name, found in reached.items():
            enough = float((np.array(found) >= SENSITIVITY).mean())
            yield {"abnormal": count, "method": name, "sensitivity": float(np.mean(found)), "reached": enough}


def abnormal_patients(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the cells of abnormal patients, half of whose variance is between patients, and the largest of each."""
    size = np.maximum(1, np.round(IMAGES * np.exp(rng.normal(size=count) - 0.5))).astype(int)
    cells = np.repeat(rng.normal(size=count), size) + rng.normal(size=size.sum())
    return cells, np.maximum.reduceat(cells, np.append(0, np.cumsum(size)[:-1]))


def simulate(draws: int, seed: int = 0, cases: Sequence[Case] = CASES, patients: int = NEW) -> dict[str, Any]:
    """All cases, tried on so many new patients; each has its own random numbers."""
    rows = list[dict[str, Any]]()
    for number, case in enumerate(cases):
        rows += sets(np.random.default_rng([seed, number]), case, draws, patients)
    shares = list(sensitivities(np.random.default_rng([seed, len(CASES)]), draws, patients))
    promise = {"coverage": COVERAGE, "sensitivity": SENSITIVITY, "confidence": CONFIDENCE, "short": SHORT}
    return {"draws": draws, "promise": promise, "sets": rows, "sensitivity": shares}


def rounded(found: Any) -> Any:
    """Numbers with four decimals."""
    if isinstance(found, float):
        return round(found, 4)
    if isinstance(found, Mapping):
        return {name: rounded(value) for name, value in found.items()}
    return [rounded(value) for value in found] if isinstance(found, list) else found


def main(
    draws: Annotated[int, typer.Option(help="Cohorts for each case.")] = 1000,
    write: Annotated[bool, typer.Option("--write", help="Write docs/guarantees.json.")] = False,
) -> None:
    """Draw cohorts, print what their guarantees reach, and write it if wanted."""
    found = rounded(simulate(draws))
    for row in (*found["sets"], *found["sensitivity"]):
        print(json.dumps(row))
    if write:
        STORED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
