"""A queue of the labelled images of a dataset, by predictions of classifiers that were not trained on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cytopipe import paths
from cytopipe.core.params import Params
from cytopipe.data.manifest import Row, read_manifest
from cytopipe.data.splits import beside_test
from cytopipe.errors import CytopipeError
from cytopipe.results.dataset import DatasetSummary
from cytopipe.results.predictions import Predictions
from cytopipe.review.items import Image, Queue
from cytopipe.review.orders import Order, disagreement, ranked, suspicion, uncertainty

RUN = "dvc repro train_classifier@{}"


def image_queue(params: Params, name: str, order: Order, device: str = "cpu") -> Queue:
    """The images of a classifier's dataset that it judged without having been trained on them.

    These are its validation images, or with `folds` all of training and validation, each by the network of its fold.
    Test images, and images of a group that has test images, are not among them.

    Args:
        params: parameters of the project in the current folder.
        name: the classifier.
        order: of the queue. Disagreement is that of all classifiers of the dataset that judged the same images, or of
            the networks of several seeds.
        device: to compute unlikeness on, and the predictions of seeds.

    Raises:
        CytopipeError: there is no such classifier, or it was not trained; or nothing is left to look at, or to
            disagree with it.
    """
    dataset = _dataset_of(params, name)
    organized = paths.Organized(dataset)
    rows, summary = read_manifest(organized.manifest), DatasetSummary.read(organized.summary)
    free, held = _offered(rows)
    judged = _judged(name)
    ids = [identity for identity in judged if identity in free]
    if not ids:
        raise CytopipeError(
            f"no image of '{dataset}' may be looked at: '{name}' judged none that is neither trained on nor tested",
            where=paths.validation(name),
            hint="a dataset with validation images, or a classifier with folds, has some",
        )
    table = Predictions.read(paths.validation(name))
    by_id = {row.id: np.array(row.probabilities) for row in table.rows}
    scores, words = _scores(params, name, order, ids, by_id, free, device)
    items = [
        Image(
            id=identity,
            group=free[identity].group,
            label=free[identity].label,
            predicted=table.classes[int(by_id[identity].argmax())],
            probabilities=dict(zip(table.classes, by_id[identity].tolist(), strict=True)),
            score=float(score),
            file=organized.folder / free[identity].path,
            masks=_masks(dataset, free[identity]),
        )
        for identity, score in zip(ids, scores, strict=True)
    ]
    placed = [items[place] for place in ranked([one.score for one in items], ids)]
    of_source = Counter(row.source for row in rows)  # the cells of one field have one file
    aliases = {row.source: row.id for row in rows if row.source and of_source[row.source] == 1}
    return Queue(f"{dataset}, by {words}", summary.classes, tuple(placed), aliases, held)


def dataset_options(params: Params, dataset: str) -> Path | None:
    """The table of corrections that a dataset names; None if it names none."""
    named = params.datasets[dataset].options.get("corrections")
    return Path(named) if named else None


def _dataset_of(params: Params, name: str) -> str:
    if name not in params.classifiers:
        known = ", ".join(params.classifiers) or "none"
        raise CytopipeError(f"there is no classifier '{name}'", where="--classifier", hint=f"there are: {known}")
    return params.classifiers[name].dataset


def _offered(rows: Sequence[Row]) -> tuple[dict[str, Row], int]:
    places, held = beside_test(rows)
    tested = sum(row.split == "test" for row in rows)
    return {rows[place].id: rows[place] for place in places}, held + tested


def _judged(name: str) -> list[str]:
    path = paths.validation(name)
    if not path.is_file():
        raise CytopipeError(f"'{name}' has not been trained", where=path, hint=f"run: {RUN.format(name)}")
    return list(Predictions.read(path).ids)


def _masks(dataset: str, row: Row) -> tuple[Path, ...]:
    true = (paths.Organized(dataset).folder / row.mask_path,) if row.mask_path else ()
    return (*true, paths.Masks(dataset).predicted / f"{row.id}.png")


def _scores(
    params: Params,
    name: str,
    order: Order,
    ids: Sequence[str],
    by_id: Mapping[str, np.ndarray],
    rows: Mapping[str, Row],
    device: str,
) -> tuple[np.ndarray, str]:
    judged = np.stack([by_id[one] for one in ids])
    if order == "uncertainty":
        return uncertainty(judged), f"the uncertainty of {name}"
    if order == "suspicion":
        classes = _classes(name)
        return suspicion(judged, [classes.index(rows[one].label) for one in ids]), f"what {name} doubts of their labels"
    dataset = params.classifiers[name].dataset
    files = [paths.Organized(dataset).folder / rows[one].path for one in ids]
    if order == "unlikeness":
        from cytopipe.review.networks import unlike_scores

        found = unlike_scores(paths.classifier(name).model, ids, files, device)
        return found, f"how unlike they are to the training images of {name}"
    others = [other for other, one in params.classifiers.items() if one.dataset == dataset and other != name]
    members, names = [judged], [name]
    for other in others:
        path = paths.validation(other)
        table = Predictions.read(path) if path.is_file() else None
        known = {row.id: row.probabilities for row in table.rows} if table else {}
        if table and table.classes == tuple(_classes(name)) and set(ids) <= set(known):
            members.append(np.array([known[one] for one in ids]))
            names.append(other)
    if len(members) > 1:
        return disagreement(members), f"the disagreement of {', '.join(names)}"
    from cytopipe.review.networks import seed_members

    members = seed_members(paths.classifier(name).model, files, device)
    if len(members) > 1:
        return disagreement(members), f"the disagreement of {len(members)} seeds of {name}"
    raise CytopipeError(
        f"no other classifier of '{dataset}' judged the images that '{name}' judged",
        where="--by",
        hint="train a second one, or one with several seeds; or use --by uncertainty",
    )


def _classes(name: str) -> tuple[str, ...]:
    return Predictions.read(paths.validation(name)).classes
