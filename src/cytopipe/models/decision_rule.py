"""What a classifier decides beyond its classes: calibrated, abnormal or normal, sure or not.

Everything is chosen on validation images and kept with the model; see `evaluation.decisions`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from cytopipe.errors import CytopipeError
from cytopipe.metrics.temperature import sharpen
from cytopipe.models.files import SPEC
from cytopipe.models.folder import OTHER_VERSION, ModelSpec

# Places in `extra` of model.json.
DECISIONS = "decisions"
THREADS = "num_threads"  # of the training: other numbers give other last digits


class Threshold(BaseModel):
    """A score of abnormality, and the specificity that it reached on validation images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    specificity: FiniteFloat
    score: FiniteFloat


class Decisions(BaseModel):
    """What was chosen on validation images; part of a model folder.

    Attributes:
        temperature: divisor of the logits, for calibrated probabilities.
        confidence_threshold: calibrated confidence above which at most WANTED_ERROR of images are wrong; None: none.
        abnormal: classes whose calibrated probabilities add up to the score of abnormality.
        thresholds: of that score.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: FiniteFloat
    confidence_threshold: FiniteFloat | None
    abnormal: tuple[str, ...] = ()
    thresholds: tuple[Threshold, ...] = ()

    @classmethod
    def of(cls, spec: ModelSpec) -> Decisions:
        """Those of a model folder.

        Raises:
            CytopipeError: it was trained before there were any, or they are of another version.
        """
        if DECISIONS not in spec.extra:
            raise CytopipeError(
                "the model holds no decisions", where=spec.architecture, hint="train the classifier again"
            )
        try:
            return cls.model_validate_json(json.dumps(spec.extra[DECISIONS]))
        except ValidationError as error:
            fault = error.errors()[0]
            key = ".".join(str(part) for part in ("extra", DECISIONS, *fault["loc"]))
            raise CytopipeError(f"{key}: {fault['msg']}", where=SPEC, hint=OTHER_VERSION) from None

    def calibrated(self, probabilities: np.ndarray) -> np.ndarray:
        """Probabilities N x classes with honest confidences."""
        return sharpen(probabilities, self.temperature)


def abnormality(probabilities: np.ndarray, classes: Sequence[str], abnormal: Sequence[str]) -> np.ndarray:
    """The score of abnormality of each image, N: the share of probability on abnormal classes."""
    share: np.ndarray = probabilities[:, [label in abnormal for label in classes]].sum(axis=1)
    return share
