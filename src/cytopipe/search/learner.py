"""What a search asks of the network that it varies; classifiers and segmenters answer, and tests by something cheap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from cytopipe.core.params import Classifier, Segmenter
from cytopipe.metrics.intervals import Measured

Config = Classifier | Segmenter
UNSAVED = "0" * 64  # stands for the hash of the training data in networks that are not saved


@dataclass(frozen=True)
class Part:
    """Images of one training: indices of those to train on, and of those that choose its epoch and judge it."""

    train: np.ndarray
    held: np.ndarray


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes:
        value: objective on the held images after the best epoch so far.
        answers: what the finished network says of the asked images, N x anything; None before the last epoch.
    """

    value: float
    answers: np.ndarray | None = None


class Learner(Protocol):
    """Trains a network with given parameters on some of the images, epoch by epoch."""

    @property
    def base(self) -> Config:
        """The network whose parameters are varied."""

    @property
    def labels(self) -> Sequence[str]:
        """Class of each training or validation image; test images are not among them."""

    @property
    def groups(self) -> Sequence[str]:
        """Group of each."""

    @property
    def units(self) -> Sequence[str]:
        """What must stay together: the groups, joined where they share an image."""

    def arguments(self, architecture: str) -> frozenset[str]:
        """Names of the arguments that an architecture takes.

        Raises:
            CytopipeError: there is no such architecture.
        """

    def advance(
        self, config: Config, part: Part, until: int, folder: Path, asked: np.ndarray | None = None
    ) -> Progress:
        """Train up to an epoch, from where an earlier call of the same `folder` stopped.

        Args:
            config: all parameters.
            part: the images.
            until: epoch after which to stop.
            folder: of the checkpoints.
            asked: indices of the images that the finished network answers; None for the held ones.

        Raises:
            CytopipeError: the parameters do not fit the images, or the training diverges.
        """

    def judge(self, images: np.ndarray, answers: np.ndarray) -> Measured:
        """The objective of pooled answers, with its 95 % interval over groups.

        Args:
            images: indices of the images.
            answers: of these, as `advance` gives them.
        """
