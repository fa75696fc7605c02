"""A queue of cells that `cytopipe screen` found in fields."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cytopipe import paths
from cytopipe.adapters.registry import adapter
from cytopipe.core.io.hashing import sha256_file
from cytopipe.core.params import Params, Reading
from cytopipe.data.corrected_files import added_cell
from cytopipe.data.imaging.boxes import with_margin
from cytopipe.data.imaging.decode import AS_FULL
from cytopipe.data.imaging.fields import open_field
from cytopipe.data.imaging.fit import Measured
from cytopipe.data.manifest import Row, read_manifest
from cytopipe.errors import CytopipeError
from cytopipe.models.members import spec_of
from cytopipe.results.dataset import DatasetSummary
from cytopipe.results.tables import Line, Table
from cytopipe.results.unfamiliar import UNLIKE_SCORE
from cytopipe.review.items import Cell, Queue
from cytopipe.review.orders import Order, disagreement, ranked, uncertainty
from cytopipe.screening.outputs import output_names
from cytopipe.screening.screen import MARGIN

_NEEDED = ("cell", "left", "top", "right", "bottom", "contour", "nucleus")
_P = "p_"
_RING = re.compile(r"POLYGON \(\(([^()]*)\)\)")
_SCREEN = "screen these fields first: cytopipe screen FIELD... --model DIR --segmenter DIR --out DIR"


def cell_queue(
    params: Params,
    dataset: str,
    fields: Sequence[Path],
    screened: Path,
    order: Order,
    by_field: bool = False,
    committee: Sequence[Path] = (),
    device: str = "cpu",
) -> Queue:
    """The cells of screened fields.

    Fields that show test images of the project, or are named like one of their groups, are not offered: whoever names
    their cells sees what is tested.

    Args:
        params: parameters of the project in the current folder.
        dataset: that the named cells will be added to.
        fields: image files.
        screened: folder with their tables, which `cytopipe screen` wrote.
        order: of the cells.
        by_field: field by field instead, the one with the highest mean score first.
        committee: model folders of the networks that disagree; needed for that order alone.
        device: to compute disagreement on.

    Raises:
        CytopipeError: a field has no table; the table has no classes, or not what the order needs; all fields are
            tested, or nobody can say which are; the name of a field can name no image.
    """
    if order == "suspicion":
        raise CytopipeError("cells of fields have no labels to doubt", where="--by", hint="use --by uncertainty")
    organized = paths.Organized(dataset)
    summary = DatasetSummary.read(organized.summary)
    reading = summary.reading or AS_FULL
    names = dict(zip(fields, output_names(fields), strict=True))
    tested, groups = _known_fields(params, dataset, names)
    cells: list[Cell] = []
    for file, name in names.items():
        if file not in tested:
            table = screened / f"{name}.csv"
            cells += _of_field(file, name, groups[file], table, reading, summary.classes, order)
    if not cells:
        what = f"all {len(fields)} fields show test images" if tested else "no cell was found in these fields"
        raise CytopipeError(what, where=screened, hint="review fields that the project does not test")
    if order == "disagreement":
        cells = _judged(cells, committee, device)
    ids, scores = [one.id for one in cells], [one.score for one in cells]
    if by_field:
        scores = _by_field(cells)
    seen = len(names) - len(tested)
    title = f"cells of {seen} field{'' if seen == 1 else 's'}, by {order}" + (", field by field" if by_field else "")
    return Queue(title, summary.classes, tuple(cells[place] for place in ranked(scores, ids)), {}, len(tested))


def _of_field(
    file: Path, name: str, group: str, table: Path, reading: Reading, classes: Sequence[str], order: Order
) -> list[Cell]:
    if not table.is_file():
        raise CytopipeError(f"the field {file} has not been screened", where=table, hint=_SCREEN)
    read = Table.read(table, _NEEDED)
    scores = [column for column in read.columns if column.startswith(_P)]
    named = tuple(column.removeprefix(_P) for column in scores)
    if order != "disagreement" and not named:
        raise CytopipeError("its cells have no classes", where=table, hint=_SCREEN)
    if strange := set(named) - set(classes):
        raise CytopipeError(
            f"its class '{min(strange)}' is none of the dataset",
            where=table,
            hint=f"the dataset has: {', '.join(classes)}",
        )
    if order == "unlikeness" and read.rows and UNLIKE_SCORE not in read.columns:
        raise CytopipeError("does not say how unlike its cells are", where=table, hint="use --by uncertainty")
    if not read.rows:
        return []
    given = np.array([[read.number(row, column) for column in scores] for row in read.rows]).reshape(len(read.rows), -1)
    if order == "unlikeness":
        ordered = np.array([read.number(row, UNLIKE_SCORE) for row in read.rows])
    else:
        ordered = uncertainty(given) if named else np.zeros(len(read.rows))
    with open_field(file, reading) as field:
        height, width = field.height, field.width
    cells = [
        _cell(file, name, group, read, row, dict(zip(named, own, strict=True)), score, reading, (height, width))
        for row, own, score in zip(read.rows, given.tolist(), ordered.tolist(), strict=True)
    ]
    for one in cells:  # organize would refuse its id, after it was named
        added_cell(one.id, file, one.label, one.group, None, str(file))
    return cells


def _cell(
    file: Path,
    name: str,
    group: str,
    table: Table,
    row: Line,
    probabilities: Mapping[str, float],
    score: float,
    reading: Reading,
    size: tuple[int, int],
) -> Cell:
    left, top, right, bottom = (table.count(row, side) for side in ("left", "top", "right", "bottom"))
    if not (left < right <= size[1] and top < bottom <= size[0]):
        raise CytopipeError(
            f"the cell {row['cell']} lies outside its field of {size[1]} x {size[0]} pixels",
            where=table.where,
            hint="name the field that was screened",
        )
    rings = tuple(_ring(row[column], table) for column in ("contour", "nucleus") if row[column])
    return Cell(
        id=f"{name}_x{(left + right) // 2}_y{(top + bottom) // 2}",
        group=group,
        label="",
        predicted=max(probabilities, key=probabilities.__getitem__) if probabilities else "",
        probabilities=probabilities,
        score=score,
        source=file,
        reading=reading,
        box=with_margin((left, top, right, bottom), MARGIN, *size),
        outlines=rings,
    )


def _ring(text: str, table: Table) -> np.ndarray:
    found = _RING.fullmatch(text)
    try:
        points = np.array([[float(x) for x in pair.split()] for pair in found[1].split(",")] if found else [])
    except ValueError:
        points = np.zeros((0, 2))
    if points.ndim != 2 or points.shape[0] < 3 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise CytopipeError(f"not an outline: {text[:60]}", where=table.where, hint=_SCREEN)
    return points


def _by_field(cells: Sequence[Cell]) -> list[float]:
    """Scores that keep a field's cells together: the rank of the field, then the score of the cell within it."""
    own = defaultdict[str, list[float]](list)
    for one in cells:
        own[one.group].append(one.score)
    means = {group: float(np.mean(scores)) for group, scores in own.items()}
    order = sorted(means, key=lambda group: (means[group], group))
    rank = {group: place for place, group in enumerate(order)}
    spread = max(abs(one.score) for one in cells) + 1.0
    return [rank[one.group] * 2 * spread + one.score for one in cells]


def _judged(cells: Sequence[Cell], committee: Sequence[Path], device: str) -> list[Cell]:
    """The cells with the disagreement of the committee as their score."""
    from cytopipe.review.networks import members_of, opinions

    networks = [part for folder in committee for part in members_of(folder)]
    if len(networks) < 2:
        raise CytopipeError(
            "a single network has nobody to disagree with",
            where="--by",
            hint="name more --classifier NAME, or a classifier of several folds or seeds; or use --by uncertainty",
        )
    classes = {spec_of(folder).classes for folder in committee}
    if len(classes) > 1:
        raise CytopipeError("the classifiers have different classes", where="--classifier")
    pictures = [Measured(one.picture(), None) for one in cells]
    found = disagreement(opinions(networks, pictures, device))
    return [replace(one, score=float(score)) for one, score in zip(cells, found, strict=True)]


def _known_fields(params: Params, dataset: str, names: Mapping[Path, str]) -> tuple[set[Path], dict[Path, str]]:
    """Fields that show test images of a dataset of the project, and the group of each field in this dataset.

    A field that the dataset does not know is a group of its own, called by its name.
    """
    sizes = defaultdict[int, list[Path]](list)
    for file in names:
        if not file.is_file():
            raise CytopipeError("no such field", where=file)
        sizes[file.stat().st_size].append(file)
    tested, groups = set[Path](), dict(names)
    for name in params.datasets:
        for file, group, is_tested in _matches(params, name, sizes):
            if is_tested:
                tested.add(file)
            elif name == dataset:
                groups[file] = group
    # A test field in another format, or another field of its slide.
    held = _tested_groups(read_manifest(paths.Organized(dataset).manifest))
    return tested | {file for file, group in groups.items() if group in held}, groups


def _tested_groups(rows: Sequence[Row]) -> set[str]:
    return {row.group for row in rows if row.split == "test"}


def _matches(params: Params, name: str, sizes: Mapping[int, Sequence[Path]]) -> list[tuple[Path, str, bool]]:
    """The given fields that are files of a dataset: their group in it, and whether it has test images."""
    organized, raw = paths.Organized(name), paths.Raw(name).files
    if not organized.manifest.is_file():
        return []
    rows, config = read_manifest(organized.manifest), params.datasets[name]
    tested = _tested_groups(rows)
    if not raw.is_dir():
        if not tested:
            return []
        raise CytopipeError(
            f"the files of '{name}' are not here, so that nobody knows which fields show its test images",
            where=raw,
            hint=f"run `dvc pull`, or `dvc repro download@{name}`",
        )
    known = {raw / row.source: row.group for row in rows if row.source}
    source = adapter(config.adapter, f"datasets.{name}.adapter")
    if source.fields is not None:
        fields = source.read_fields(raw, config.options, f"datasets.{name}.options")
        known = {one.image: one.group for one in fields} | known
    found, hashes = [], dict[Path, str]()

    def digest(path: Path) -> str:
        if path not in hashes:
            hashes[path] = sha256_file(path)
        return hashes[path]

    for image, group in known.items():
        same = sizes.get(image.stat().st_size, ()) if image.is_file() else ()
        found += [(one, group, group in tested) for one in same if digest(one) == digest(image)]
    return found
