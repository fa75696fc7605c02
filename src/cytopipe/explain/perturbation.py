"""Deletion and insertion curves: does the probability depend on the pixels that an attribution ranks highest?

Petsiuk 2018, "RISE", arXiv:1806.07421. Deletion replaces pixels by the mean colour, the most important first: with a
good map the probability falls quickly (small area). Insertion copies them into the blurred image, the most important
first: with a good map it rises quickly (large area).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from cytopipe.explain.attribution import blurred

POINTS = 9  # points of a curve: 0, 1/8, ... 1 of the pixels
FRACTIONS = np.linspace(0, 1, POINTS)
RANDOM_ORDER = "random"

Probability = Callable[[Tensor, Tensor], np.ndarray]


def perturbation_curves(
    probability: Probability, images: Tensor, targets: Tensor, maps: Mapping[str, np.ndarray], seed: int = 0
) -> dict[str, dict[str, np.ndarray]]:
    """Probability of the class as a function of the share of deleted or inserted pixels.

    Args:
        probability: maps images (N x C x H x W) and classes (N) to N probabilities.
        images: N x C x H x W, the network's input; 0 is the mean colour.
        targets: N indices of classes.
        maps: N x H x W attribution maps of each method; larger values are more important.
        seed: seed of the random order, the reference.

    Returns:
        "deletion" and "insertion", each with N x POINTS probabilities for every method and for "random".
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
    """Rank of every pixel by decreasing importance, N x H x W in [0, 1); ties are in reading order."""
    flat = values.reshape(len(values), -1)
    order = np.argsort(-flat, axis=1, kind="stable")
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.arange(flat.shape[1])[None].repeat(len(flat), axis=0), axis=1)
    return (places / flat.shape[1]).reshape(values.shape)


def area(curve: np.ndarray) -> np.ndarray:
    """Area below N x POINTS curves by the trapezoidal rule: N values in [0, 1]."""
    below: np.ndarray = np.trapezoid(curve, FRACTIONS, axis=1)
    return below


def _curve(probability: Probability, before: Tensor, after: Tensor, targets: Tensor, places: np.ndarray) -> np.ndarray:
    place = torch.from_numpy(places).to(before.device)[:, None]
    steps = [torch.where(place < fraction, after, before) for fraction in FRACTIONS]
    values = probability(torch.cat(steps), targets.repeat(POINTS))
    return values.reshape(POINTS, len(before)).T
