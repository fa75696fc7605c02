"""Sets of classes by the guarantee of a trained classifier, which `training.guarantees` chose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cytopipe.metrics.conformal import class_sets
from cytopipe.results.model_spec import ModelSpec


def has_sets(spec: ModelSpec) -> bool:
    """Whether a classifier guarantees sets of classes."""
    return spec.guarantees is not None and spec.guarantees.sets.least is not None


def named_sets(spec: ModelSpec, calibrated: np.ndarray) -> Sequence[tuple[str, ...] | None]:
    """The set of classes of each image, the most probable class first; None for each without a guarantee.

    Args:
        spec: specification of the classifier.
        calibrated: N x classes calibrated probabilities.
    """
    if spec.guarantees is None or spec.guarantees.sets.least is None:
        return [None] * len(calibrated)
    chosen = class_sets(calibrated, spec.guarantees.sets.least)
    order = np.argsort(-calibrated, axis=1, kind="stable")
    return [
        tuple(spec.classes[index] for index in ranked if own[index]) for ranked, own in zip(order, chosen, strict=True)
    ]
