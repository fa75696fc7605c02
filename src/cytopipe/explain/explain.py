"""Explanation of a trained classifier: maps of some images, measures over more, and sanity checks of the methods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from cytopipe.core.params import Explain
from cytopipe.data.tensors import Items, load_all, load_split
from cytopipe.explain import perturbation, sanity
from cytopipe.explain.attribution import Attribution, Maps
from cytopipe.explain.mean import MeanAttribution
from cytopipe.explain.outputs import Explanations, ShownImage, region_shares, settings
from cytopipe.explain.regions import areas, palette, summarise, with_interval
from cytopipe.explain.selection import MEASURED, predictions_of, select_measured, select_shown, spread
from cytopipe.models.ensemble import load_classifier
from cytopipe.models.folds import Folds
from cytopipe.models.inference.classify import input_transform
from cytopipe.models.transforms import COLOURS, InputTransform
from cytopipe.results.predictions import Prediction

COARSE = 10  # steps for measures; they are means over images, so that fewer steps suffice
TESTED = 8  # images for the deletion and insertion curves and for the randomisation test


@dataclass
class _Results:
    """Results of all networks of a model folder, by index of the image where they belong to one."""

    maps: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    coarse: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    curves: dict[int, dict[str, dict[str, np.ndarray]]] = field(default_factory=dict)
    correlations: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    gaps: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    skipped: dict[str, str] = field(default_factory=dict)
    methods: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Selection:
    """Images to show, to measure and to test on: indices into the predictions."""

    shown: list[int]
    measured: list[int]
    tested: list[int]


def explain(
    model_folder: Path, tensors: Path, predictions: Path, about: dict[str, str], options: Explain, device: torch.device
) -> Explanations:
    """Explain a classifier on test images; with cross-validation, each image by the network that it was held out from.

    Args:
        model_folder: model folder with one network, or one per fold.
        tensors: folder of the dataset's arrays and their manifest.
        predictions: predictions.csv of the stage `evaluate`; the predicted classes are explained.
        about: names of the classifier and of the dataset, for explanations.json.
        options: number of images to show, above 0, and the effort.
        device: device to compute on.

    Raises:
        CytopipeError: the model, the arrays or the predictions are damaged or of different images.
    """
    folds = Folds.read(model_folder)
    items, rows = load_all(tensors) if folds else load_split(tensors, "test")
    predicted = predictions_of(predictions, rows)
    part = [folds.of(row.id) for row in rows]
    present = {row.label: row.class_index for row in rows}
    classes = sorted(present, key=present.__getitem__)
    chosen = select_shown(predicted, classes, options.images)
    sample = select_measured(predicted, classes, MEASURED * options.images)
    tested = [sample[i] for i in spread(len(sample), TESTED)]
    found = _Results()
    for number, name in enumerate(folds.parts()):
        job = _Selection(*([i for i in some if part[i] == number] for some in (chosen, sample, tested)))
        if job.shown or job.measured:
            _explain_part(model_folder / name, items, predicted, job, options, device, found)
    return _collect(found, items, predicted, classes, _Selection(chosen, sample, tested), about, options)


def _explain_part(
    folder: Path,
    items: Items,
    predicted: Sequence[Prediction],
    job: _Selection,
    options: Explain,
    device: torch.device,
    found: _Results,
) -> None:
    """Explain the images of one network and add the results to `found`."""
    model, spec = load_classifier(folder, device)
    transform = input_transform(spec, device)
    black, white = (transform(torch.full((1, *items.shape[1:]), value, dtype=torch.uint8)) for value in (0, 255))
    if spec.channels == "rgb+masks":
        white[:, COLOURS:] = black[:, COLOURS:]  # random colours make an image, but random masks would make no mask
    attribution = MeanAttribution(model, black, white, options.baselines)
    found.methods, found.skipped = attribution.methods, attribution.skipped

    def seen(places: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        targets = [spec.classes.index(predicted[i].predicted) for i in places]
        return _inputs(transform, items, places), torch.tensor(targets, device=device)

    if job.shown:
        images, targets = seen(job.shown)
        maps = attribution(images, targets, options.steps)
        _by_image(maps, job.shown, found.maps)
        for method, values in attribution.completeness_gaps(images, targets, maps).items():
            found.gaps[method] += values.tolist()
    if job.measured:
        _by_image(attribution(*seen(job.measured), min(COARSE, options.steps)), job.measured, found.coarse)
    if job.tested:
        images, targets = seen(job.tested)
        maps = {method: np.stack([found.coarse[i][method] for i in job.tested]) for method in attribution.methods}
        for kind, curves in perturbation.perturbation_curves(attribution.probability_of, images, targets, maps).items():
            for method, values in curves.items():
                for i, curve in zip(job.tested, values, strict=True):
                    found.curves.setdefault(i, {}).setdefault(kind, {})[method] = curve
        other = Attribution(sanity.untrained(spec, device), black, white, options.baselines)
        after = other(images, targets, min(COARSE, options.steps))
        for method, before in maps.items():
            found.correlations[method] += sanity.rank_correlation(before, after[method]).tolist()


def _inputs(transform: InputTransform, items: Items, places: Sequence[int]) -> torch.Tensor:
    return transform(torch.from_numpy(np.stack([items[i] for i in places])))


def _by_image(maps: Maps, places: Sequence[int], into: dict[int, dict[str, np.ndarray]]) -> None:
    for row, place in enumerate(places):
        into[place] = {method: values[row] for method, values in maps.items()}


def _collect(
    found: _Results,
    items: Items,
    predicted: Sequence[Prediction],
    classes: Sequence[str],
    job: _Selection,
    about: dict[str, str],
    options: Explain,
) -> Explanations:
    masks = {i: palette(items[i]) for i in job.measured}
    shares, area_shares = {}, {}
    for label in classes:
        places = [i for i in job.measured if predicted[i].label == label]
        groups = [predicted[i].group for i in places]
        area_shares[label] = summarise([areas(masks[i]) for i in places], groups)
        shares[label] = {
            method: summarise([region_shares(found.coarse[i][method], masks[i]) for i in places], groups)
            for method in found.methods
        }
    groups = [predicted[i].group for i in job.tested]
    curves, below = {}, {}
    for kind in ("deletion", "insertion"):
        methods = [*found.methods, perturbation.RANDOM_ORDER]
        table = np.array([[found.curves[i][kind][method] for method in methods] for i in job.tested])
        means, limits = with_interval(
            perturbation.area(table.reshape(-1, table.shape[2])).reshape(table.shape[:2]), groups
        )
        curves[kind] = {method: table[:, k].mean(axis=0).tolist() for k, method in enumerate(methods)}
        below[kind] = {method: {"auc": means[k], **limits[k]} for k, method in enumerate(methods)}
    return Explanations(
        settings(about, found.methods, options),
        [ShownImage(predicted[i], items[i], found.maps[i]) for i in job.shown],
        shares,
        area_shares,
        below,
        curves,
        perturbation.FRACTIONS.tolist(),
        {method: sanity.verdict(np.array(values)) for method, values in found.correlations.items()},
        {method: float(np.mean(values)) for method, values in found.gaps.items()},
        found.skipped,
        {"shares": len(job.measured), "curves": len(job.tested)},
    )
