"""Data of the interactive parts of the page: images and predictions, as JSON inside the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cytopipe.report.pictures import Album
from cytopipe.report.views import ClassifierView, DatasetView


def page_data(datasets: Sequence[DatasetView], classifiers: Sequence[ClassifierView], album: Album) -> dict[str, Any]:
    """Collect the data that the script reads.

    Returns:
        `datasets`: by name, `classes` and `images`, each image as (id, group, index of the true class, data URI, width,
        height); an image appears once, however many classifiers show it. `classifiers`: by name, `dataset`, `cells`
        ("true:predicted" class indices -> number of images and indices of the shown images), and `says` (index of an
        image -> index of the predicted class and the probability of every class in per mille).
    """
    return {
        "datasets": {view.results.name: _dataset(view, classifiers, album) for view in datasets},
        "classifiers": {view.results.name: _classifier(view, classifiers) for view in classifiers},
    }


def _shown(dataset: str, classifiers: Sequence[ClassifierView]) -> list[str]:
    """Ids of all images that any classifier of a dataset shows, sorted."""
    return sorted(
        {
            one.id
            for view in classifiers
            if view.results.config.dataset == dataset
            for some in view.shown.values()
            for one in some
        }
    )


def _dataset(view: DatasetView, classifiers: Sequence[ClassifierView], album: Album) -> dict[str, Any]:
    images = []
    for identity in _shown(view.results.name, classifiers):
        row, picture = view.results.row(identity), album.get(view.results.name, identity)
        images.append([identity, row.group, row.class_index, picture.uri, picture.width, picture.height])
    return {"classes": view.results.classes, "images": images}


def _classifier(view: ClassifierView, classifiers: Sequence[ClassifierView]) -> dict[str, Any]:
    one = view.results
    place = {identity: index for index, identity in enumerate(_shown(one.config.dataset, classifiers))}
    number = {label: index for index, label in enumerate(one.classes)}
    counts = {(cell.truth, cell.predicted): cell.count for row in view.matrix for cell in row}
    return {
        "dataset": one.config.dataset,
        "cells": {
            f"{number[truth]}:{number[named]}": [counts[truth, named], [place[image.id] for image in images]]
            for (truth, named), images in view.shown.items()
        },
        "says": {
            str(place[image.id]): [number[image.predicted], *(round(1000 * value) for value in image.probabilities)]
            for image in one.predictions
            if image.id in place
        },
    }
