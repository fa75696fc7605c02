"""One embedding from end to end: encode the images, choose and fit the probes, test each once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cytopipe.core.params import SPLITS, Embedding, Probe
from cytopipe.data.manifest import Row
from cytopipe.data.splits import divide, join_copies
from cytopipe.data.tensors import Items
from cytopipe.embeddings.encoder import Encoder
from cytopipe.embeddings.features import Features
from cytopipe.embeddings.probes import KINDS, Fitted, Judged, components, fit_probe
from cytopipe.errors import CytopipeError
from cytopipe.metrics.classification import classification_metrics
from cytopipe.models.transforms import CELL
from cytopipe.results.embeddings import ProbeResult, Probes
from cytopipe.results.numbers import Estimate
from cytopipe.results.predictions import Predictions

logger = logging.getLogger("cytopipe")
PART = 256  # images whose masks are read at a time


@dataclass(frozen=True)
class Embedded:
    """What an embedding gives.

    Attributes:
        probes: the content of probes.json.
        fitted: the fitted probes.
        predictions: of the test images, by probe.
    """

    probes: Probes
    fitted: Mapping[Probe, Fitted]
    predictions: Mapping[Probe, Predictions]


def rows_of(rows: Sequence[Row], *splits: str) -> np.ndarray:
    """Indices of the images of these splits."""
    return np.array([index for index, row in enumerate(rows) if row.split in splits], dtype=np.int64)


def judges(config: Embedding, rows: Sequence[Row], where: str) -> tuple[Judged, np.ndarray, str, str]:
    """The images that choose the settings of probes, those that probes are fitted to, and both in words.

    Raises:
        CytopipeError: there are fewer groups than inner folds, or no validation images.
    """
    train, validation = rows_of(rows, "train"), rows_of(rows, "val")
    if not config.inner_folds:
        for part, images in (("training", train), ("validation", validation)):
            if not len(images):
                raise CytopipeError(f"the dataset has no {part} images", where=where, hint="split it otherwise")
        return Judged([(train, validation)]), train, f"{len(validation)} validation images", "training images"
    both = np.sort(np.concatenate([train, validation]))
    units = join_copies([rows[one].group for one in both], [rows[one].sha256 for one in both])
    labels = [rows[one].label for one in both]
    count = config.inner_folds
    fold = np.array(divide(labels, units, [1 / count] * count, config.seed, f"{where}.inner_folds"))
    parts = [(both[fold != one], both[fold == one]) for one in range(count)]
    return Judged(parts), both, f"{count} grouped folds", "training and validation images"


def empty_regions(config: Embedding, items: Items, fitted: np.ndarray, where: str) -> dict[str, int]:
    """With `regions: masks`, the number of images without a nucleus and without cytoplasm; else none.

    Raises:
        CytopipeError: no image that probes may learn from has a cell.
    """
    if config.regions != "masks":
        return {}
    cell, nucleus = np.zeros(len(items), bool), np.zeros(len(items), bool)
    cytoplasm = np.zeros(len(items), bool)
    for start in range(0, len(items), PART):
        masks = items[start : start + PART][..., CELL:] > 0
        rows = slice(start, start + len(masks))
        cell[rows] = masks[..., 0].any(axis=(1, 2))
        nucleus[rows] = masks[..., 1].any(axis=(1, 2))
        cytoplasm[rows] = (masks[..., 0] & ~masks[..., 1]).any(axis=(1, 2))
    if not cell[fitted].any():
        raise CytopipeError(
            "regions: masks needs predicted masks, and no training image has a cell in its mask",
            where=where,
            hint="set regions: whole, or give the dataset another segmenter",
        )
    empty = {"nucleus": int((~nucleus).sum()), "cytoplasm": int((~cytoplasm).sum())}
    for region, count in empty.items():
        if count:
            logger.warning("%s: %d of %d images have no %s; its features are 0", where, count, len(items), region)
    return empty


def probe_all(
    config: Embedding,
    encoder: Encoder,
    features: Features,
    rows: Sequence[Row],
    classes: Sequence[str],
    empty: Mapping[str, int],
    where: str,
) -> Embedded:
    """Fit every probe and test it once.

    Args:
        config: parameters of the embedding.
        encoder: what made the features.
        features: of all images.
        rows: manifest of the images, in the same order.
        classes: names of the classes.
        empty: number of images without a region, by region.
        where: key of params.yaml, for messages.

    Raises:
        CytopipeError: the images to fit to are of one class, or there are too few groups or no test images.
    """
    labels = np.array([row.class_index for row in rows])
    judged, fitted, chosen_on, fitted_to = judges(config, rows, where)
    test = rows_of(rows, "test")
    images = [(rows[one].id, rows[one].group, rows[one].label) for one in test]
    found, results, predictions = dict[Probe, Fitted](), dict[Probe, ProbeResult](), dict[Probe, Predictions]()
    for kind in config.probes:
        probe = found[kind] = fit_probe(kind, features.values, labels, len(classes), judged, fitted, where)
        shares = probe.probabilities(features.values[test])
        predictions[kind] = Predictions.of_images(classes, images, shares)
        shape = len(fitted), encoder.dimension
        results[kind] = ProbeResult(
            setting=KINDS[kind].setting,
            value=probe.value,
            candidates=probe.candidates,
            selection=max(one.accuracy for one in probe.candidates),
            components=components(shape) if kind == "svm" else None,
            converged=probe.converged,
            metrics=Estimate.of_all(classification_metrics(labels[test], shares, [group for _, group, _ in images])),
        )
    return Embedded(
        Probes(
            dataset=config.dataset,
            encoder=encoder.described,
            dimension=encoder.dimension,
            scale=features.scale,
            images={split: len(rows_of(rows, split)) for split in SPLITS},
            groups={split: len({row.group for row in rows if row.split == split}) for split in SPLITS},
            empty=dict(empty),
            chosen_on=chosen_on,
            fitted_to=fitted_to,
            best=max(config.probes, key=lambda kind: results[kind].selection),
            probes=results,
        ),
        found,
        predictions,
    )
