"""Attribution maps of a classifier that may be the mean of several networks."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from torch import Tensor, nn

from cytopipe.explain.attribution import METHODS, Attribution, Maps
from cytopipe.models.ensemble import mean_of, members_of


class MeanAttribution:
    """The mean of the maps of a classifier's networks; of a single one, its own maps.

    Integrated gradients are linear in what they explain: their mean explains the mean of the probabilities exactly.
    Grad-CAM and guided back-propagation explain each network's own log-odds, and their mean is a summary.

    Args:
        model, black, white, baselines, wanted: as of `Attribution`.

    Attributes:
        methods, skipped: as of `Attribution`; the networks share their architecture.
    """

    def __init__(
        self, model: nn.Module, black: Tensor, white: Tensor, baselines: int, wanted: Collection[str] = METHODS
    ) -> None:
        self._each = [Attribution(one, black, white, baselines, wanted=wanted) for one in members_of(model)]
        self.methods, self.skipped = self._each[0].methods, self._each[0].skipped

    def __call__(self, images: Tensor, targets: Tensor, steps: int) -> Maps:
        """N x H x W float64 for each method; see `Attribution`."""
        return _mean([one(images, targets, steps) for one in self._each])

    def completeness_gaps(self, images: Tensor, targets: Tensor, maps: Maps) -> dict[str, np.ndarray]:
        """As of `Attribution`: the change of the mean probability is the mean of the changes."""
        changes = _mean([one.changes(images, targets) for one in self._each])
        return {method: np.abs(maps[method].sum(axis=(1, 2)) - change) for method, change in changes.items()}

    def probability_of(self, images: Tensor, targets: Tensor) -> np.ndarray:
        """Probability of the target class of each image, N float64."""
        return mean_of([one.probability_of(images, targets) for one in self._each])


def _mean(found: list[Maps]) -> Maps:
    return {method: mean_of([one[method] for one in found]) for method in found[0]}
