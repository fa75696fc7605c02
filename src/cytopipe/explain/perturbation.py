"""Deletion and insertion: does the probability follow the pixels that an attribution calls important?

Petsiuk 2018, "RISE", arXiv:1806.07421. Deletion sets the most important pixels first to the mean colour: a good map
makes the probability fall at once (a small area). Insertion puts them first into the blurred image: a good map makes it
rise at once (a large area).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from cytopipe.explain.attribution import blurred

POINTS = 9  # of a curve: 0, 1/8, ... of the pixels
FRACTIONS = np.linspace(0, 1, POINTS)
RANDOM_ORDER = "random"

Probability = Callable[[Tensor, Tensor], np.ndarray]


def perturbation_curves(
    probability: Probability, images: Tensor, targets: Tensor, maps: Mapping[str, np.ndarray], seed: int = 0
) -> dict[str, dict[str, np.ndarray]]:
    """Probability of the class against the share of pixels that were deleted or inserted.

    Args:
        probability: of images N x C x H x W and classes N: N float.
        images: as the network sees them; 0 is the mean colour.
        targets: N classes.
        maps: N x H x W a method; the largest value is the most important.
        seed: of the random order, to compare with.

    Returns:
        "deletion" and "insertion": N x POINTS for each method and "random".
    """
    size = images.shape[2:]
    chance = np.random.default_rng(seed).random((len(images), *size))
    starts = {"deletion": (images, torch.zeros_like(images)), "insertion": (blurred(images), images)}
    return {
        kind: {
            method: _curve(probability, before, after, targets, ranks(values))
            for method, values in {**maps, RANDOM_ORDER: chance}.items()
        }
        for kind, (before, after) in starts.items()
    }


def ranks(values: np.ndarray) -> np.ndarray:
    """Place of every pixel in the order of falling importance, N x H x W in [0, 1); equals in reading order."""
    flat = values.reshape(len(values), -1)
    order = np.argsort(-flat, axis=1, kind="stable")
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.arange(flat.shape[1])[None].repeat(len(flat), axis=0), axis=1)
    return (places / flat.shape[1]).reshape(values.shape)


def area(curve: np.ndarray) -> np.ndarray:
    """Area below curves N x POINTS, by the trapezoid rule: N values in [0, 1]."""
    below: np.ndarray = np.trapezoid(curve, FRACTIONS, axis=1)
    return below


def _curve(probability: Probability, before: Tensor, after: Tensor, targets: Tensor, places: np.ndarray) -> np.ndarray:
    place = torch.from_numpy(places).to(before.device)[:, None]
    steps = [torch.where(place < fraction, after, before) for fraction in FRACTIONS]
    values = probability(torch.cat(steps), targets.repeat(POINTS))
    return values.reshape(POINTS, len(before)).T
