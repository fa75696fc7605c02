"""Whether a reviewer who follows the queue helps more than one who looks at random: a simulated one, on phantoms.

python benchmarks/review.py           prints
python benchmarks/review.py --write   writes docs/review.json too

The reviewer knows the truth. The classifier is logistic regression on the looks of the cells (160 numbers, as the audit
takes them). Ten seeds; in each, both reviewers begin with the same images; the test groups are untouched.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from copies import ROOT

sys.path.insert(0, str(ROOT))

from cytopipe.core.params import load_params
from cytopipe.data.manifest import Row
from cytopipe.data.splits import beside_test
from cytopipe.review.orders import ranked, suspicion, uncertainty
from cytopipe.sources.fetch import fetch
from suspects import measured_images

RESULTS = ROOT / "docs/review.json"
DATASET, SEEDS = "cervix", 10
FIRST, STEP, LAST = 40, 20, 240  # named cells at the beginning, in a sitting, and at the end
FLIPPED, LOOKED_AT = 0.1, 0.1  # share of wrong labels, and of images that the reviewer looks at


class Project:
    """Features, labels and groups of a dataset: those that a reviewer may see, and those that are tested."""

    def __init__(self, rows: Sequence[Row], features: np.ndarray) -> None:
        free, _ = beside_test(rows)
        test = [place for place, row in enumerate(rows) if row.split == "test"]
        labels = np.array([row.class_index for row in rows])
        self.features, self.test_features = features[free], features[test]
        self.labels, self.test_labels = labels[free], labels[test]
        self.groups = np.array([rows[place].group for place in free])
        self.ids = [rows[place].id for place in free]

    def fitted(self, places: np.ndarray, labels: np.ndarray) -> Any:
        """The classifier of these images with these labels."""
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
        return model.fit(self.features[places], labels)

    def tested(self, model: Any) -> float:
        """Its balanced accuracy on the test groups."""
        return float(balanced_accuracy_score(self.test_labels, model.predict(self.test_features)))

    def queue(self, probabilities: np.ndarray, places: np.ndarray) -> np.ndarray:
        """These images as `cytopipe review` orders them."""
        order = ranked(uncertainty(probabilities).tolist(), [self.ids[place] for place in places])
        return places[order]


def naming(project: Project, seed: int, by_doubt: bool) -> list[float]:
    """Test accuracy while a reviewer names cells that nobody has named, after each sitting."""
    rng = np.random.default_rng([seed, 1])
    order = rng.permutation(len(project.ids))
    firsts = [next(place for place in order if project.labels[place] == label) for label in np.unique(project.labels)]
    known = list(dict.fromkeys([*firsts, *order.tolist()]))[:FIRST]
    at_random, curve = [place for place in order.tolist() if place not in set(known)], []
    while True:
        model = project.fitted(np.array(known), project.labels[known])
        curve.append(project.tested(model))
        if len(known) >= LAST:
            return curve
        left = np.array([place for place in at_random if place not in set(known)])
        chosen = project.queue(model.predict_proba(project.features[left]), left) if by_doubt else left
        known += chosen[:STEP].tolist()


def correcting(project: Project, seed: int, way: str) -> tuple[float, float, float]:
    """Share of wrong labels that are found, and test accuracy before and after they are corrected."""
    rng = np.random.default_rng([seed, 2])
    count, labels = len(project.ids), project.labels.copy()
    wrong = rng.choice(count, round(FLIPPED * count), replace=False)
    for place in wrong:
        labels[place] = rng.choice([one for one in np.unique(project.labels) if one != project.labels[place]])
    every = np.arange(count)
    before = project.tested(project.fitted(every, labels))
    looked = rng.permutation(count)
    if way != "random":
        held = np.zeros((count, len(np.unique(labels))))
        for train, out in GroupKFold(5).split(project.features, labels, project.groups):
            held[out] = project.fitted(train, labels[train]).predict_proba(project.features[out])
        scores = uncertainty(held) if way == "uncertainty" else suspicion(held, labels.tolist())
        looked = np.array(ranked(scores.tolist(), project.ids))
    looked = looked[: round(LOOKED_AT * count)]
    labels[looked] = project.labels[looked]
    found = len(set(looked.tolist()) & set(wrong.tolist())) / len(wrong)
    return found, before, project.tested(project.fitted(every, labels))


def paired(queue: Sequence[float], chance: Sequence[float]) -> dict[str, float]:
    """Means over seeds, their difference, and its 95 % interval by Student's t over pairs."""
    gain = np.array(queue) - np.array(chance)
    half = float(student.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain)))
    values = {"queue": np.mean(queue), "random": np.mean(chance), "difference": gain.mean()}
    values |= {"low": gain.mean() - half, "high": gain.mean() + half}
    return {name: round(float(value), 4) for name, value in values.items()} | {"seeds won": int((gain > 0).sum())}


def measure(project: Project) -> dict[str, Any]:
    """Both tasks, by every reviewer, over all seeds."""
    curves = {way: np.array([naming(project, seed, way) for seed in range(SEEDS)]) for way in (True, False)}
    ways = ("random", "uncertainty", "suspicion")
    said = {way: np.array([correcting(project, seed, way) for seed in range(SEEDS)]) for way in ways}
    queue, chance = curves[True], curves[False]
    return {
        "images": len(project.ids),
        "groups": len(set(project.groups)),
        "tested": len(project.test_labels),
        "seeds": SEEDS,
        "naming, by uncertainty": {
            "named": list(range(FIRST, LAST + 1, STEP)),
            "curve queue": [round(float(one), 4) for one in queue.mean(axis=0)],
            "curve random": [round(float(one), 4) for one in chance.mean(axis=0)],
            "mean of the curve": paired(queue.mean(axis=1).tolist(), chance.mean(axis=1).tolist()),
            "at the end": paired(queue[:, -1].tolist(), chance[:, -1].tolist()),
        },
        **{
            f"correcting, by {way}": {
                "wrong labels": FLIPPED,
                "looked at": LOOKED_AT,
                "accuracy before": round(float(said[way][:, 1].mean()), 4),
                "found": paired(said[way][:, 0].tolist(), said["random"][:, 0].tolist()),
                "accuracy after": paired(said[way][:, 2].tolist(), said["random"][:, 2].tolist()),
            }
            for way in ways[1:]
        },
    }


def main(write: Annotated[bool, typer.Option(help="Also write docs/review.json.")] = False) -> None:
    """Measure and print."""
    os.chdir(ROOT)  # paths in the preset
    params = load_params(ROOT / "workflow/presets/demo.yaml")
    with tempfile.TemporaryDirectory() as temporary:
        raw = Path(temporary) / "raw"
        raw.mkdir()
        fetch(params.datasets[DATASET].source, raw, dataset=DATASET, cache=raw, workers=1)
        rows, features = measured_images(DATASET, params, raw, Path(temporary) / "organized", 6000)
    found = {f"{DATASET}, phantoms": measure(Project(rows, features))}
    print(json.dumps(found, indent=1))
    if write:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
