"""Measure where training images lie, and choose the threshold beyond which an image is unlike them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.covariance import ledoit_wolf
from torch import nn

from cytopipe.data.tensors import Stack
from cytopipe.models.familiarity import FEATURES, Familiar, Reference, spaces
from cytopipe.models.inference.classify import input_transform, probabilities_and_features
from cytopipe.results.model_spec import Familiarity, ModelSpec
from cytopipe.training.data import Labelled

FALSE_ALARMS = 0.01  # wanted share of images like the training images that are called unlike
MOST_IMAGES = 1000  # of the training images, evenly spaced: enough for a covariance, and one short pass
MOST_AXES, IMAGES_PER_AXIS = 32, 20  # principal components of the features: no more than the images can measure
RIDGE = 0.01  # added to the variances of the statistics, which are about 1
LEAST_VARIANCE = 1e-12  # of features, where all images of a class are alike
LEAST_DEVIATION = 0.01  # of a statistic on its scale of about 1, if all training images are alike
SAME = 1e-8  # share of the largest variance below which there is none
UPPER, UPPER_DEVIATIONS = 0.9, 1.2815515655446004  # a quantile of the distances, and that of the normal distribution
LEAST_SPREAD, LEAST_THRESHOLD = 0.05, 1.0  # where a handful of validation images show neither

Spaces = Mapping[str, np.ndarray]  # N x D float64 by space


@dataclass(frozen=True)
class Learnt:
    """What a network knows of its training images, the rule, and the median log distance of those images by space."""

    familiar: Familiar
    rule: Familiarity
    own: Mapping[str, float]


def learn_familiar(
    model: nn.Module,
    spec: ModelSpec,
    train: Labelled,
    validation: Labelled,
    groups: Sequence[str],
    device: torch.device,
) -> Learnt:
    """Measure a network's training images; validation images choose the threshold.

    A network is surer of images that it was trained on, so that the distances of validation images, not of training
    images, are the standard.

    Args:
        model: classifier on the device.
        spec: its specification.
        train, validation: N x S x S x 5 uint8 items and class indices.
        groups: group of each validation image.
        device: device of the model.
    """
    bare, own = _refer(model, spec, train, device)
    held_out = _spaces(model, spec, validation, device)
    references = {name: _standard(one, held_out[name]) for name, one in bare.items()}
    rule = choose_threshold(Familiar(references, 1.0).deviations(held_out), groups)
    return Learnt(Familiar(references, rule.threshold), rule, own)


def learn_again(first: Learnt, model: nn.Module, spec: ModelSpec, train: Labelled, device: torch.device) -> Familiar:
    """Measure the training images of a refitted network, which has seen the validation images too.

    It keeps the threshold of the first network, and the factor by which images that it never saw are farther.

    Args:
        first: what the first network knows.
        model: the refitted network, on the device.
        spec: its specification.
        train: the images that it was trained on.
        device: device of the model.
    """
    bare, own = _refer(model, spec, train, device)
    known = first.familiar.references
    return Familiar(
        {
            name: replace(one, typical=own[name] + known[name].typical - first.own[name], spread=known[name].spread)
            for name, one in bare.items()
        },
        first.familiar.threshold,
    )


def choose_threshold(deviations: np.ndarray, groups: Sequence[str], wanted: float = FALSE_ALARMS) -> Familiarity:
    """Choose the threshold for a wanted rate of false alarms.

    It is the deviation of rank (n + 1)(1 - wanted), rounded up, among n validation images: one more image of their kind
    is beyond it with the wanted probability at most (conformal prediction; Vovk 2005, "Algorithmic Learning in a Random
    World"). With fewer than 1 / wanted - 1 images it is the largest deviation, and that probability is 1 / (n + 1).
    Images of one group resemble each other: if they were all alike, groups would count in place of images, so that the
    rate lies between the two.

    Args:
        deviations: N deviations of validation images.
        groups: N groups.
        wanted: rate of false alarms.

    >>> choose_threshold(np.arange(99.0), ["a", "b"] * 49 + ["c"])
    Familiarity(threshold=98.0, wanted=0.01, expected=0.01, at_most=0.25, images=99, groups=3)
    """
    images, count = len(deviations), len(set(groups))
    threshold = float(np.sort(deviations)[_rank(images, wanted) - 1])
    return Familiarity(
        threshold=max(threshold, LEAST_THRESHOLD),
        wanted=wanted,
        expected=_beyond(images, wanted),
        at_most=_beyond(count, wanted),
        images=images,
        groups=count,
    )


def _rank(count: int, wanted: float) -> int:
    """The rank of the threshold among so many values."""
    return min(int(np.ceil((count + 1) * (1 - wanted) - 1e-9)), count)


def _beyond(count: int, wanted: float) -> float:
    """The probability that one more value is beyond the threshold."""
    return float(f"{(count + 1 - _rank(count, wanted)) / (count + 1):.6g}")


def _refer(
    model: nn.Module, spec: ModelSpec, train: Labelled, device: torch.device
) -> tuple[dict[str, Reference], dict[str, float]]:
    """References of the training images by space, not yet standardised, and the images' own median log distances."""
    some = _some(train)
    values = _spaces(model, spec, some, device)
    found = {name: refer(one, some.labels if name == FEATURES else None) for name, one in values.items()}
    return found, {name: float(np.median(one.distances(values[name]))) for name, one in found.items()}


def _spaces(model: nn.Module, spec: ModelSpec, images: Labelled, device: torch.device) -> Spaces:
    seen = probabilities_and_features(model, input_transform(spec, device), images.items, tta=spec.tta)[1]
    return spaces(seen, images.items)


def _some(train: Labelled) -> Labelled:
    """At most MOST_IMAGES of the training images, evenly spaced."""
    count = len(train.items)
    if count <= MOST_IMAGES:
        return train
    chosen = np.linspace(0, count - 1, MOST_IMAGES).round().astype(int)
    items = train.items.take(chosen) if isinstance(train.items, Stack) else train.items[chosen]
    return Labelled(items, train.labels[chosen])


def refer(values: np.ndarray, labels: np.ndarray | None = None) -> Reference:
    """Axes on which the covariance within classes, shrunk (Ledoit and Wolf 2004), is the identity.

    Args:
        values: N x D.
        labels: N class indices, for features, of which the leading principal axes count; None: statistics of one class,
            which all count. One in which the training images do not differ (the saturation of grey images) tells most.
    """
    mean, spread = values.mean(axis=0), values.std(axis=0)
    if labels is None:
        scale, axes = np.maximum(spread, LEAST_DEVIATION), np.eye(len(mean))
    else:
        scale = np.where(spread > SAME * spread.max(), spread, 1.0)
        axes = _principal_axes((values - mean) / scale)
    placed = (values - mean) / scale @ axes
    classes = np.zeros(len(values), int) if labels is None else np.unique(labels, return_inverse=True)[1]
    means = np.stack([placed[classes == one].mean(axis=0) for one in range(classes.max() + 1)])
    covariance = ledoit_wolf(placed - means[classes], assume_centered=True)[0]
    least = RIDGE if labels is None else max(SAME * np.trace(covariance), LEAST_VARIANCE)
    covariance += np.eye(len(covariance)) * least
    whitening = np.linalg.cholesky(np.linalg.inv(covariance))
    return Reference(
        mean.astype(np.float32),
        (axes / scale[:, None] @ whitening).astype(np.float32),
        (means @ whitening).astype(np.float32),
    )


def _principal_axes(values: np.ndarray) -> np.ndarray:
    """The leading principal axes, D x K, of N x D values about 0, from the smaller of the matrix's two products."""
    count, dimensions = values.shape
    most = max(1, min(MOST_AXES, count // IMAGES_PER_AXIS, dimensions))
    if dimensions <= count:
        variances, axes = np.linalg.eigh(values.T @ values)
    else:
        variances, sides = np.linalg.eigh(values @ values.T)
        axes = values.T @ sides / np.sqrt(np.maximum(variances, SAME))
    kept = [one for one in np.argsort(variances)[::-1][:most] if variances[one] > SAME * variances.max()]
    return np.asarray(axes[:, kept or [len(variances) - 1]])


def _standard(reference: Reference, held_out: np.ndarray) -> Reference:
    """The reference with the median and the upper spread of the distances of images that were not trained on."""
    middle, upper = np.quantile(reference.distances(held_out), [0.5, UPPER])
    return replace(reference, typical=float(middle), spread=max(float(upper - middle) / UPPER_DEVIATIONS, LEAST_SPREAD))
