"""Raw files to an ImageFolder: every image decoded and checked, splits drawn, nothing moved out of the raw data."""

from __future__ import annotations

import logging
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from cytopipe.adapters.attributes import with_attributes
from cytopipe.adapters.registry import adapter
from cytopipe.adapters.spellings import settle
from cytopipe.core.io.left_out import LeftOut
from cytopipe.core.params import SPLITS, Dataset, Split
from cytopipe.data.accounting import account, refuse_pointers, warn_of_conflicts
from cytopipe.data.attributes import with_given_bins, with_quartiles
from cytopipe.data.check_images import Checked, Checks, Progress, check_images
from cytopipe.data.class_names import check_several_classes, checked_names
from cytopipe.data.corrected_files import place_added
from cytopipe.data.corrections import Corrections
from cytopipe.data.leave_out import leave_out, sites_of
from cytopipe.data.manifest import Row
from cytopipe.data.splits import assign_splits, check_splits, join_copies, torn
from cytopipe.data.value_range import dataset_reading, reading_summary
from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")
_EIGHT_BIT = {"eight_bit": True}  # pictures of new cells were brought to 8 bits when they were cut out


def organize(
    name: str,
    dataset: Dataset,
    raw: Path,
    folders: dict[str, Path],
    progress: Progress,
    workers: int = 1,
    left_behind: LeftOut | None = None,
) -> tuple[list[Row], dict[str, Any]]:
    """Write `<split>/<class>/<id>.png` and `masks/<id>.png`.

    Args:
        name: of the dataset, for errors.
        dataset: its parameters.
        raw: folder with the publisher's files.
        folders: existing empty folders to write into: "train", "val", "test" and "masks".
        progress: wraps the iteration over a number of samples.
        workers: number of processes that decode and encode images.
        left_behind: files of the source that `download` left out of `raw`.

    Returns:
        The manifest's rows and the summary.

    Raises:
        CytopipeError: for an invalid layout, label, image, mask or split, and for images of one class only.
    """
    key = f"datasets.{name}"
    source = adapter(dataset.adapter, f"{key}.adapter")
    refuse_pointers(raw)
    found = source.read(raw, dataset.options, f"{key}.options")
    warn_of_conflicts(key, found)
    options = source.parse(dataset.options, f"{key}.options")
    found = with_attributes(found, raw, source, options, f"{key}.options")
    named = source.class_order(dataset.options, f"{key}.options") or getattr(options, "normal", ())
    samples = settle(found, options, named, dataset.exclude_classes, key)
    samples = with_given_bins(samples, options.attribute_bins, f"{key}.options")
    check_several_classes([sample.label for sample in samples], key)
    wanted = {sample.id for sample in samples}
    excluded = [sample for sample in found if sample.id not in wanted]
    corrections = Corrections.read(options.corrections, samples, excluded, raw, f"{key}.options.corrections")
    paths = list(dict.fromkeys(sample.image for sample in samples))
    reading, _ = dataset_reading(paths, options.range, options.reading, f"{key}.options", workers)
    staging = folders["train"] / ".staging"
    staging.mkdir()
    skip = dataset.bad_images == "skip"
    unused = corrections.left_out
    drawn = corrections.outlined(samples)
    checks = check_images(drawn, staging, folders["masks"], skip, progress, workers, reading, unused)
    if not checks.kept:
        raise CytopipeError(f"none of {len(samples)} images can be used", where=key)
    labels = [item.sample.label for item in checks.kept]
    present = set(labels)
    order = source.class_order(dataset.options, f"{key}.options") or sorted(present)
    classes = [label for label in checked_names(order) if label in present]
    check_several_classes(labels, key)
    units = independent_units(checks.kept, dataset.split.kind == "random")
    published = [item.sample.split for item in checks.kept]
    if dataset.split.leave_out is None:
        splits, left_out = assign_splits(labels, units, published, dataset.split, f"{key}.split"), None
    else:
        sites = sites_of([item.sample for item in checks.kept], dataset.split.leave_out, key)
        splits, left_out = leave_out(labels, units, sites, dataset.split, f"{key}.split")
    placed = correct(checks.kept, splits, corrections, f"{key}.options.corrections")
    new = [replace(one, attributes=dict.fromkeys(options.attributes, "")) for one in corrections.added]
    if new:
        also = check_images(new, staging, folders["masks"], False, progress, 1, reading.model_copy(update=_EIGHT_BIT))
        placed = sorted([*placed, *place_added(also.kept, placed)], key=lambda one: one[0].sample.id)
    copies = find_copies([item for item, _ in placed])
    _warn(key, copies, dataset.split)
    rows = [_place(item, split, classes, raw, staging, folders, options.pixel_size_um) for item, split in placed]
    shutil.rmtree(staging)  # with the images that corrections leave out
    for identity in unused:
        (folders["masks"] / f"{identity}.png").unlink(missing_ok=True)
    rows, attributes = with_quartiles(rows, options.attribute_bins, f"{key}.options")
    normal = source.normal_classes(dataset.options, f"{key}.options", classes)
    tables = source.read_tables(raw, dataset.options, f"{key}.options")
    used = [item.sample for item, _ in placed if item.sample.id not in corrections.of_added]
    files = account(raw, found, samples, used, tables, left_behind, [s for s in samples if s.id in unused])
    files.log(key)
    corrections.log(key, samples)
    summary = summarize(name, dataset, classes, normal, rows, checks, copies)
    further = {name: value for name, value in (("attributes", attributes), ("left_out", left_out)) if value}
    further |= corrections.summary(samples)
    return rows, summary | {"files": files.plain} | reading_summary(reading) | further


def correct(
    items: Sequence[Checked], splits: Sequence[str], corrections: Corrections, where: str
) -> list[tuple[Checked, str]]:
    """The images that are used, with corrected labels, and their splits.

    Raises:
        CytopipeError: for a correction of a test image, or if a split then lacks a class; `where` is the key.
    """
    corrections.check([item.sample for item in items], splits)
    placed = [
        (replace(item, sample=replace(item.sample, label=corrections.label(item.sample))), split)
        for item, split in zip(items, splits, strict=True)
        if item.sample.id not in corrections.left_out
    ]
    if corrections.by_id:
        labels, ids = [item.sample.label for item, _ in placed], [item.sample.id for item, _ in placed]
        check_splits(labels, ids, [split for _, split in placed], where, "keep an image of that class there")
    return placed


def find_copies(items: Sequence[Checked]) -> list[list[Checked]]:
    """Sets of two or more images with the same pixels."""
    same: dict[str, list[Checked]] = defaultdict(list)
    for item in items:
        same[item.stored.sha256].append(item)
    return [found for found in same.values() if len(found) > 1]


def independent_units(items: Sequence[Checked], alone: bool) -> list[str]:
    """The unit of each image that a split keeps together: its group (itself if `alone`), joined with its copies."""
    owners = [item.sample.smallest_unit if alone else item.sample.group for item in items]
    return join_copies(owners, [item.stored.sha256 for item in items])


def _warn(key: str, copies: list[list[Checked]], split: Split) -> None:
    if copies:
        ids = ", ".join(item.sample.id for item in copies[0])
        at_odds = sum(len({item.sample.label for item in found}) > 1 for found in copies)
        kept = "" if split.kind == "published" else "each kept in one split and "
        logger.warning(
            "%s: %d sets of identical images, %slisted in summary.json, first: %s; labels differ in %d",
            *(key, len(copies), kept, ids, at_odds),
        )


def _place(
    item: Checked,
    split: str,
    classes: list[str],
    raw: Path,
    staging: Path,
    folders: dict[str, Path],
    pixel_size: float | None,
) -> Row:
    sample, stored = item.sample, item.stored
    target = folders[split] / sample.label
    target.mkdir(exist_ok=True)
    (staging / f"{sample.id}.png").replace(target / f"{sample.id}.png")
    return Row(
        id=sample.id,
        path=f"{split}/{sample.label}/{sample.id}.png",
        label=sample.label,
        class_index=classes.index(sample.label),
        split=split,
        group=sample.group,
        width=stored.width,
        height=stored.height,
        sha256=stored.sha256,
        mask_path=f"masks/{sample.id}.png" if stored.mask_sha256 else "",
        mask_sha256=stored.mask_sha256,
        source=_source(sample.image, raw),
        pixel_size_um=sample.pixel_size_um or pixel_size or stored.pixel_size_um,
        attributes=sample.attributes,
    )


def _source(image: Path, raw: Path) -> str:
    """The publisher's file as seen from `raw`; a new cell lies beside a table of corrections, elsewhere."""
    found = image.relative_to(raw) if image.is_relative_to(raw) else Path(os.path.relpath(image, raw))
    return found.as_posix()


def summarize(
    name: str,
    dataset: Dataset,
    classes: list[str],
    normal: list[str],
    rows: list[Row],
    checks: Checks,
    copies: list[list[Checked]],
) -> dict[str, Any]:
    """The dataset in numbers.

    `classes` is the class order that travels with every model, `normal` are those without disease. `torn` counts what
    lies in several splits: groups, and sets of identical images (`copies` lists these); both are 0 with
    `split.kind: grouped`.
    """
    split_of = {row.id: row.split for row in rows}
    counts = Counter((row.split, row.label) for row in rows)
    sizes = {"width": sorted(row.width for row in rows), "height": sorted(row.height for row in rows)}
    return {
        "dataset": name,
        "adapter": dataset.adapter,
        "classes": classes,
        "normal": normal,
        "excluded_classes": list(dataset.exclude_classes),
        "images": len(rows),
        "masks": sum(bool(row.mask_path) for row in rows),
        "split": dataset.split.kind,
        "counts": {split: {label: counts[split, label] for label in classes} for split in SPLITS},
        "groups": {split: len({row.group for row in rows if row.split == split}) for split in SPLITS},
        "torn": {
            "groups": len(torn([row.group for row in rows], [row.split for row in rows])),
            "copies": sum(len({split_of[item.sample.id] for item in found}) > 1 for found in copies),
        },
        "size_px": {side: {"min": v[0], "median": median(v), "max": v[-1]} for side, v in sizes.items()},
        "converted": dict(sorted(checks.converted.items())),
        "copies": [
            {"ids": [item.sample.id for item in found], "labels": sorted({item.sample.label for item in found})}
            for found in copies
        ],
        "refused": checks.refused,
    }
