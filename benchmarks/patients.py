"""How close the rules for patients come to the best possible answer, on phantom patients whose truth is known.

A patient has n cells, each abnormal with the prevalence, and is abnormal if at least k of them are. A cell has 16
features of the normal distribution; one is shifted by the separation if it is abnormal. The classifier knows the
densities, and its probabilities are those of as many abnormal as normal cells, as in a set of training images. The best
answer (Bayes) is the chance that at least k cells are abnormal, given all of them; its AUC is that of 1,000,000
patients.

python benchmarks/patients.py            some minutes on one core
python benchmarks/patients.py --write    also docs/patients.json
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from cytopipe.core.params.patients import AttentionPooling, Patients, PoolingRule
from cytopipe.metrics.patient_scores import measure_groups
from cytopipe.metrics.patients import Groups, expit, log_odds
from cytopipe.metrics.poisson_binomial import at_least
from cytopipe.metrics.scores import binary_auc
from cytopipe.models.patients import Evidence, answer
from cytopipe.training.attention_pooling import Bags, fit_attention
from cytopipe.training.group_rules import Held, fit_rule

RESULTS = Path(__file__).resolve().parents[1] / "docs/patients.json"
FEATURES = 16
CHUNK = 20_000  # patients of the Bayes AUC at a time
SIMPLE: tuple[PoolingRule, ...] = ("mean", "max", "quantile", "noisy_or", "count")


@dataclass(frozen=True)
class Case:
    """Patients that are abnormal if at least `least` of `cells` cells are."""

    prevalence: float
    cells: int
    least: int
    separation: float = 3.0


CASES = (Case(0.02, 100, 2), Case(0.1, 50, 5), Case(0.5, 50, 25))


@dataclass(frozen=True)
class Cohort:
    """Patients: the truth of each and of their cells, the cells' features, and the classifier's log odds of each."""

    groups: Groups
    abnormal: np.ndarray
    cells: np.ndarray
    features: np.ndarray
    odds: np.ndarray

    @property
    def held(self) -> Held:
        """As the library fits rules on them."""
        return Held(self.groups, self.abnormal.astype(int), self.cells, Evidence(expit(self.odds)))

    @property
    def bags(self) -> Bags:
        """As attention pooling is trained on them."""
        inputs = np.concatenate([self.features, self.odds[:, None]], axis=1).astype(np.float32)
        return Bags(inputs, self.groups, self.abnormal)


def draw(case: Case, patients: int, rng: np.random.Generator) -> Cohort:
    """Draw patients."""
    cells = rng.random((patients, case.cells)) < case.prevalence
    features = rng.standard_normal((patients, case.cells, FEATURES))
    features[..., 0] += case.separation * cells
    odds = case.separation * features[..., 0] - case.separation**2 / 2
    groups = Groups(tuple(f"{one:06}" for one in range(patients)), np.repeat(np.arange(patients), case.cells))
    return Cohort(groups, cells.sum(axis=1) >= case.least, cells.ravel(), features.reshape(-1, FEATURES), odds.ravel())


def bayes_auc(case: Case, patients: int, seed: int = 0) -> float:
    """The AUC of the best possible answer, by drawing so many patients."""
    rng, shift = np.random.default_rng(seed), float(log_odds(np.array(case.prevalence)))
    found, truth = [], []
    for start in range(0, patients, CHUNK):
        cells = rng.random((min(CHUNK, patients - start), case.cells)) < case.prevalence
        seen = rng.standard_normal(cells.shape) + case.separation * cells
        odds = case.separation * seen - case.separation**2 / 2
        found.append(at_least(expit(odds + shift), [case.least])[:, 0])
        truth.append(cells.sum(axis=1) >= case.least)
    area = binary_auc(np.concatenate(found), np.concatenate(truth))
    assert area is not None
    return area


@dataclass(frozen=True)
class Tried:
    """A rule on one test cohort: its AUC with the interval over patients."""

    value: float
    low: float
    high: float


def try_rule(rule: PoolingRule, validation: Cohort, test: Cohort) -> Tried:
    """Fit a rule on validation patients and test it."""
    fitted = fit_rule(Patients(rule=rule), validation.held)
    return _tested(answer(fitted, test.groups, Evidence(expit(test.odds))).odds, test)


def try_attention(train: Cohort, validation: Cohort, test: Cohort, seed: int = 0) -> Tried:
    """Train attention pooling and test it."""
    network = fit_attention(AttentionPooling(seed=seed), train.bags, validation.bags)
    seen = Evidence(expit(validation.odds), network.attend(validation.bags.features))
    held = Held(validation.groups, validation.abnormal.astype(int), validation.cells, seen)
    fitted = fit_rule(Patients(rule="abmil"), held)
    return _tested(
        answer(fitted, test.groups, Evidence(expit(test.odds), network.attend(test.bags.features))).odds, test
    )


def _tested(odds: np.ndarray, test: Cohort) -> Tried:
    area = measure_groups(odds, test.abnormal, None)["auc"]
    assert area.value is not None and area.low is not None and area.high is not None
    return Tried(area.value, area.low, area.high)


def measure(case: Case, repeats: int, attended: int, bayes: float) -> dict[str, Any]:
    """Every rule on so many cohorts of 300 training, 150 validation and 400 test patients; attention on fewer."""
    tried: dict[str, list[Tried]] = {}
    for number in range(repeats):
        rng = np.random.default_rng([7, number])
        train, validation, test = (draw(case, patients, rng) for patients in (300, 150, 400))
        for rule in SIMPLE:
            tried.setdefault(rule, []).append(try_rule(rule, validation, test))
        if number < attended:
            tried.setdefault("abmil", []).append(try_attention(train, validation, test, number))
    above = [one.value > mean.value for one, mean in zip(tried["abmil"], tried["mean"], strict=False)]
    return {
        **asdict(case),
        "bayes_auc": round(bayes, 4),
        "rules": {rule: _summary(found, bayes) for rule, found in tried.items()},
        "abmil_above_mean": f"{sum(above)} of {len(above)}",
    }


def _summary(found: list[Tried], bayes: float) -> dict[str, float]:
    return {
        "cohorts": len(found),
        "auc": round(float(np.mean([one.value for one in found])), 4),
        "interval_holds_bayes": round(float(np.mean([one.low <= bayes <= one.high for one in found])), 3),
    }


def run(repeats: int, attended: int) -> Iterator[dict[str, Any]]:
    """Measure every case."""
    for case in CASES:
        yield measure(case, repeats, attended, bayes_auc(case, 1_000_000))


def main(
    repeats: Annotated[int, typer.Option(help="Cohorts of each case.")] = 60,
    attended: Annotated[int, typer.Option(help="Cohorts on which attention pooling is trained.")] = 6,
    write: Annotated[bool, typer.Option("--write", help="Write docs/patients.json.")] = False,
) -> None:
    """Measure and print."""
    found = []
    for one in run(repeats, attended):
        print(json.dumps(one), flush=True)
        found.append(one)
    if write:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
