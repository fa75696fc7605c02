"""Traits: what cells of one group (specimen, patient, slide) have in common, and how the next cell differs.

Each trait of a table is a distribution over all cells. Cells of one group share part of their place in it: the
latent normal scores behind the values are correlated (a Gaussian copula), and the table's distribution is kept.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cytopipe_phantoms import draws, exact
from cytopipe_phantoms.spec import Normal, Section

Scores = NDArray[np.float64]
Traits = dict[str, float]


def draw_scores(section: Section, rng: np.random.Generator) -> Scores:
    """One standard normal score for each field of `section`: the place of a group among all groups."""
    return draws.normals(0, 1, len(type(section).model_fields), rng)


def draw_traits(section: Section, shared: Scores, likeness: float, rng: np.random.Generator) -> Traits:
    """The traits of one cell of a group.

    Args:
        section: its `Normal` fields are the traits.
        shared: the group's scores, from `draw_scores`.
        likeness: correlation of the scores within a group, 0 (independent) to 1 (all alike).
        rng: the cell's generator; as many numbers are drawn as the section has fields.

    Returns:
        A value for each field that is a `Normal`, by name.
    """
    scores = np.sqrt(likeness) * shared + np.sqrt(1 - likeness) * draws.normals(0, 1, len(shared), rng)
    return {
        name: field.quantile(exact.normal_share(score))
        for name, score in zip(type(section).model_fields, scores.tolist(), strict=True)
        if isinstance(field := getattr(section, name), Normal)
    }
