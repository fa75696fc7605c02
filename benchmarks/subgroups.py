"""How often subgroups that are worse are called so, and how often one is called different where none is.

Test sets are drawn of three classes: patients with an intraclass correlation, of unequal sizes, each of one site, one
scanner, one of two sexes and an age, of which the quartiles are taken. In the first cases the classifier is as good for
all of them; in the others it is worse at one site of four. Every metric of `cytopipe.evaluation.classifier.subgroups`
is tested for every subgroup, and corrected as there (Holm 1979).

python benchmarks/subgroups.py            some minutes on one core
python benchmarks/subgroups.py --write    also docs/subgroups.json; then python docs/tools/subgroup_tables.py
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from scipy.special import softmax

from cytopipe.core.params.attributes import bin_of
from cytopipe.evaluation.classifier.subgroups import METRICS, Key, compare, corrected, number_of_tests
from cytopipe.metrics.calibration import calibration
from cytopipe.metrics.classification import headline
from cytopipe.metrics.comparison import ALPHA

RESULTS = Path(__file__).resolve().parents[1] / "docs/subgroups.json"
CLASSES = 3
SITES, SHARES = ("A", "B", "C", "D"), (0.4, 0.25, 0.2, 0.15)


@dataclass(frozen=True)
class Case:
    """A situation.

    Attributes:
        patients: their number.
        images: of each on average.
        correlation: of the answers within a patient.
        skill: how far the true class stands out, in standard deviations of the noise.
        deficit: by how much less it does at site B.
        prevalence: of the first class; the others share the rest.
        nested: whether a patient's images are all of one class.
    """

    patients: int
    images: int
    correlation: float = 0.1
    skill: float = 2.5
    deficit: float = 0.0
    prevalence: float = 1 / 3
    nested: bool = False


@dataclass(frozen=True)
class TestSet:
    """True classes, probabilities, groups, and members of each subgroup."""

    truth: np.ndarray
    probabilities: np.ndarray
    groups: list[str]
    members: dict[Key, np.ndarray]


def draw(case: Case, rng: np.random.Generator) -> TestSet:
    """Draw one test set."""
    sizes = rng.integers(max(1, case.images // 2), case.images + case.images // 2 + 1, case.patients)
    group = np.repeat(np.arange(case.patients), sizes)
    site = rng.choice(SITES, case.patients, p=SHARES)
    scanner, sex = rng.choice(["s1", "s2"], case.patients), rng.choice(["f", "m"], case.patients)
    age = rng.normal(55, 15, case.patients)
    limits = np.quantile(rng.normal(55, 15, 60), [0.25, 0.5, 0.75]).tolist()  # of training patients
    shares = [case.prevalence, *[(1 - case.prevalence) / (CLASSES - 1)] * (CLASSES - 1)]
    truth = rng.choice(CLASSES, len(group), p=shares)
    if case.nested:
        truth = rng.choice(CLASSES, case.patients, p=shares)[group]
    skill = (case.skill - case.deficit * (site == "B"))[group]
    effect = rng.normal(size=(case.patients, CLASSES))[group] * np.sqrt(case.correlation)
    noise = rng.normal(size=(len(group), CLASSES)) * np.sqrt(1 - case.correlation)
    scores = skill[:, None] * np.eye(CLASSES)[truth] + effect + noise
    columns: dict[str, list[str]] = {
        "site": site.tolist(),
        "scanner": scanner.tolist(),
        "sex": sex.tolist(),
        "age": [bin_of(f"{one:g}", limits) for one in age],
    }
    members = {
        (name, value): np.array([one == value for one in values])[group]
        for name, values in columns.items()
        for value in sorted(set(values))
    }
    return TestSet(truth, softmax(case.skill * scores, axis=1), group.astype(str).tolist(), members)


def called(one: TestSet) -> tuple[set[tuple[Key, str]], int]:
    """The subgroups and metrics that are called different, and the number of tests."""

    def measure(rows: np.ndarray) -> dict[str, float | None]:
        truth, probabilities = one.truth[rows], one.probabilities[rows]
        return {**headline(truth, probabilities), **calibration(truth, probabilities)}

    _, compared = compare(measure, one.members, one.groups)
    tested = corrected(compared, {key for key, metric in METRICS.items() if metric.scale})
    found = {
        (key, metric)
        for key, differences in tested.items()
        for metric, difference in differences.items()
        if difference.p_holm is not None and difference.p_holm < ALPHA
    }
    return found, number_of_tests(tested)


def simulate(case: Case, draws: int, seed: int = 0) -> dict[str, Any]:
    """Draw test sets of a case and count those in which a subgroup is called different, and in which site B is."""
    alarms = found = accuracy = tests = 0
    for number in range(draws):
        different, count = called(draw(case, np.random.default_rng([seed, case.patients, case.images, number])))
        of_site = {metric for (attribute, value), metric in different if (attribute, value) == ("site", "B")}
        others = {key for key, _ in different if key[0] != "site"}
        alarms += bool(others if case.deficit else different)
        found, accuracy, tests = found + bool(of_site), accuracy + ("accuracy" in of_site), tests + count
    return {
        **asdict(case),
        "draws": draws,
        "tests": round(tests / draws, 1),
        "false_alarms": alarms,
        "found": found if case.deficit else None,
        "found_by_accuracy": accuracy if case.deficit else None,
    }


CASES = (
    Case(20, 10),
    Case(40, 10),
    Case(100, 5),
    Case(40, 20, skill=4.0),
    Case(60, 10, nested=True),
    Case(60, 10, prevalence=0.8),
    Case(100, 1, correlation=0.0),
    Case(40, 10, deficit=1.0),
    Case(40, 10, deficit=1.5),
    Case(100, 10, deficit=1.0),
    Case(100, 10, deficit=0.5),
)


def main(
    draws: Annotated[int, typer.Option(min=10, help="Test sets of every case.")] = 100,
    write: Annotated[bool, typer.Option(help="Also write docs/subgroups.json.")] = False,
) -> None:
    """Count false alarms, and deficits that are found."""
    rows = []
    for case in CASES:
        rows.append(simulate(case, draws))
        print(json.dumps(rows[-1]), flush=True)
    if write:
        RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
        print(RESULTS)


if __name__ == "__main__":
    typer.run(main)
