"""A learner that costs nothing: pure noise, and a classifier whose features its parameters choose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cytopipe.core.params import Classifier, Search
from cytopipe.metrics.intervals import Measured
from cytopipe.search.classifier import judge_classes
from cytopipe.search.learner import Config, Part, Progress
from cytopipe.search.run import SearchJob

SPACE = {"arguments.width": {"integer": [1, 1000]}, "training.learning_rate": {"log": ["1e-4", "1e-2"]}}


class Noise:
    """Images without any signal, in groups of two; the nearest class mean in features that a trial's values draw.

    `calls` are (slot, fold, epoch); after `dies_after` calls it is interrupted.
    """

    def __init__(self, images: int = 80, seed: int = 0, dies_after: int | None = None) -> None:
        rng = np.random.default_rng(seed)
        self.truth = np.arange(images) % 2
        self.labels = ["odd" if one else "even" for one in self.truth]
        self.groups = [f"g{number // 2}" for number in range(images)]
        self.units = self.groups
        self.features = rng.normal(size=(images, 64))
        recipe = {"epochs": 9, "batch_size": 4}
        self.base = Classifier.model_validate(
            {"dataset": "d", "architecture": "plain_cnn", "channels": "rgb", "training": recipe}
        )
        self.calls: list[tuple[str, str, int]] = []
        self.dies_after = dies_after

    def arguments(self, architecture: str) -> frozenset[str]:
        return frozenset({"width", "depth"}) if architecture == "plain_cnn" else frozenset()

    def advance(
        self, config: Config, part: Part, until: int, folder: Path, asked: np.ndarray | None = None
    ) -> Progress:
        if self.dies_after is not None and len(self.calls) >= self.dies_after:
            raise KeyboardInterrupt
        self.calls.append((folder.parent.name, folder.name, until))
        assert config.training is not None
        drawn = [config.arguments.get("width", 1), round(config.training.learning_rate * 1e9)]
        chosen = self.features[:, np.random.default_rng(drawn).choice(64, 8, replace=False)]
        train = self.truth[part.train]
        means = [chosen[part.train][train == label].mean(axis=0) for label in (0, 1)]

        def probabilities(images: np.ndarray) -> np.ndarray:
            distance = np.stack([((chosen[images] - mean) ** 2).sum(axis=1) for mean in means], axis=1)
            odds = np.exp(distance.min(axis=1, keepdims=True) - distance)
            answer: np.ndarray = odds / odds.sum(axis=1, keepdims=True)
            return answer

        right = probabilities(part.held).argmax(axis=1) == self.truth[part.held]
        done = until == config.training.epochs
        return Progress(float(right.mean()), probabilities(part.held if asked is None else asked) if done else None)

    def judge(self, images: np.ndarray, answers: np.ndarray) -> Measured:
        return judge_classes("accuracy", self.truth[images], answers, [self.groups[index] for index in images])


def make_job(folder: Path, learner: Noise, **changes: Any) -> SearchJob:
    values = {
        "base": "classifiers.plain",
        "data": "data/tensors/d",
        "pretrained": "workflow/weights/none",
        "space": SPACE,
        "trials": 6,
        "startup": 3,
        "folds": {"inner": 2},
    }
    return SearchJob("noise", Search.model_validate(values | changes), learner, folder, tell=lambda text: None)
