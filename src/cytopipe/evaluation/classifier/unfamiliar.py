"""How well a classifier tells images unlike its training images: false alarms on test images, altered ones found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cytopipe.data.tensors import Items, Stack, load_all, load_split, make_item
from cytopipe.evaluation.classifier.altered import ALTERATIONS
from cytopipe.evaluation.classifier.evaluate import Evaluation
from cytopipe.metrics.clusters import each_left_out, ratio
from cytopipe.metrics.intervals import measured
from cytopipe.metrics.scores import binary_auc
from cytopipe.models.bundle import segmenter_of
from cytopipe.models.decision_rule import calibrate, confidence_threshold, rule_of
from cytopipe.models.familiarity import Familiar, read_familiar
from cytopipe.models.folder import load_model
from cytopipe.models.folds import Folds
from cytopipe.models.inference.classify import input_transform, probabilities_and_features
from cytopipe.models.inference.segment import Segmentation
from cytopipe.results.model_spec import Familiarity, ModelSpec
from cytopipe.results.numbers import Estimate
from cytopipe.results.unfamiliar import UNFAMILIAR, AlteredImages, Unfamiliar

MOST_ALTERED = 64  # test images, evenly spaced, that are altered in each way


@dataclass(frozen=True)
class Judged:
    """Scores of unlikeness of N images, and whether the confidence threshold calls them certain."""

    scores: np.ndarray
    certain: np.ndarray

    @classmethod
    def empty(cls, count: int) -> Judged:
        """Space for so many images."""
        return cls(np.zeros(count), np.zeros(count, bool))

    def put(self, places: np.ndarray, other: Judged) -> None:
        """Fill in those of some images."""
        self.scores[places], self.certain[places] = other.scores, other.certain


@dataclass(frozen=True)
class Network:
    """A network, and what it knows of its training images; `segmentation` gives it masks, where it takes them."""

    model: nn.Module
    spec: ModelSpec
    familiar: Familiar
    segmentation: Segmentation | None
    device: torch.device

    def judge(self, items: Items) -> Judged:
        """Judge stored items, N x S x S x 5 uint8."""
        transform, rule = input_transform(self.spec, self.device), rule_of(self.spec)
        found, features = probabilities_and_features(self.model, transform, items, tta=self.spec.tta)
        certain = calibrate(rule, found).max(axis=1) >= confidence_threshold(rule)
        return Judged(self.familiar.scores(features, items), certain)

    def items(self, images: np.ndarray) -> np.ndarray:
        """Stored items of N x S x S x 3 uint8 images, with the masks that the classifier's segmenter sees in them."""
        side = images.shape[1]
        if self.segmentation is None:
            return np.concatenate([images, np.zeros((*images.shape[:3], 2), np.uint8)], axis=3)
        pairs = zip(images, self.segmentation.masks(iter(images)), strict=True)
        return np.stack([make_item(image, mask, side) for image, mask in pairs])


def write_unfamiliar(folder: Path, found: Evaluation, model_folder: Path, tensors: Path, device: torch.device) -> None:
    """Write unfamiliar.json into a folder; nothing for a model that does not know its training images.

    Args:
        folder: results/classifiers/NAME/clinical.
        found: the evaluation on test images.
        model_folder, tensors, device: what it was made of; see `evaluate`.
    """
    networks = _networks(model_folder, device)
    if networks:
        items = load_all(tensors)[0] if Folds.read(model_folder) else load_split(tensors, "test")[0]
        unfamiliar(found, networks, items).write(folder / UNFAMILIAR)


def unfamiliar(found: Evaluation, networks: Sequence[Network], items: Items) -> Unfamiliar:
    """Measure false alarms on all test images, and what is found of up to 64 of them, altered in each way.

    Args:
        found: the evaluation on test images; its `part` says which network tests each image.
        networks: one per fold, or one.
        items: N x S x S x 5 uint8, in the order of the evaluation's rows.
    """
    groups = [row.group for row in found.rows]
    known = Judged.empty(len(groups))
    some = np.unique(np.linspace(0, len(groups) - 1, min(MOST_ALTERED, len(groups))).round().astype(int))
    altered = {name: Judged.empty(len(some)) for name in ALTERATIONS}
    for number, network in enumerate(networks):
        mine = np.flatnonzero(found.part == number)
        known.put(mine, network.judge(items.take(mine) if isinstance(items, Stack) else items))
        places = np.flatnonzero(found.part[some] == number)
        for name, judged in _altered(network, items, some[places]).items():
            altered[name].put(places, judged)
    rules = tuple(_rule(network.spec) for network in networks)
    false_alarms = _share(known.scores > 1, groups)
    expected = float(np.mean([max(rule.wanted, rule.at_most) for rule in rules]))
    return Unfamiliar(
        rules=rules,
        images=len(groups),
        groups=len(set(groups)),
        false_alarms=false_alarms,
        holds=None if false_alarms.low is None else false_alarms.low <= expected,
        altered_images=len(some),
        altered={
            name: _compare(known.scores[some], judged, [groups[one] for one in some])
            for name, judged in altered.items()
        },
    )


def _altered(network: Network, items: Items, places: np.ndarray) -> Mapping[str, Judged]:
    """The judgement of some images, altered in each way."""
    if not len(places):
        return {}
    images = np.ascontiguousarray(np.stack([items[one] for one in places])[..., :3])
    rng = np.random.default_rng(0)
    return {name: network.judge(network.items(alter(images, rng))) for name, alter in ALTERATIONS.items()}


def _compare(known: np.ndarray, altered: Judged, groups: Sequence[str]) -> AlteredImages:
    """Compare the scores of images with those of the same images altered, N each."""

    def area(rows: np.ndarray) -> dict[str, float | None]:
        kinds = np.repeat([False, True], len(rows))
        return {"auroc": binary_auc(np.concatenate([known[rows], altered.scores[rows]]), kinds)}

    left = each_left_out(area, groups)["auroc"]
    unlike = altered.scores > 1
    return AlteredImages(
        auroc=Estimate.of(measured(left)),
        flagged=_share(unlike, groups),
        confident=float(altered.certain.mean()),
        passed=float((altered.certain & ~unlike).mean()),
    )


def _share(hit: np.ndarray, groups: Sequence[str]) -> Estimate:
    return Estimate.of(measured(ratio(hit.astype(float), np.ones(len(hit)), groups)))


def _rule(spec: ModelSpec) -> Familiarity:
    assert spec.familiarity is not None, "a network that knows its training images has a rule"
    return spec.familiarity


def _networks(model_folder: Path, device: torch.device) -> list[Network]:
    """The networks of a model folder; none if one of them does not know its training images."""
    found = []
    for part in Folds.read(model_folder).parts():
        model, spec = load_model(model_folder / part, device)
        familiar = read_familiar(model_folder / part, spec)
        if familiar is None:
            return []
        segmentation = None if spec.channels == "rgb" else Segmentation.load(segmenter_of(model_folder), device)
        found.append(Network(model, spec, familiar, segmentation, device))
    return found
