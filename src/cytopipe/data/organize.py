"""Raw files to an ImageFolder: every image decoded and checked, splits drawn, nothing moved out of the raw data."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from cytopipe.adapters.attributes import with_attributes
from cytopipe.adapters.base import Sample
from cytopipe.adapters.registry import adapter
from cytopipe.adapters.spellings import settle
from cytopipe.core.io.hashing import sha256_bytes
from cytopipe.core.io.left_out import LeftOut
from cytopipe.core.io.workers import ordered_map
from cytopipe.core.params import SPLITS, Dataset, Reading, Split
from cytopipe.data.accounting import account, refuse_pointers, warn_of_conflicts
from cytopipe.data.attributes import with_given_bins, with_quartiles
from cytopipe.data.class_names import check_several_classes, checked_names
from cytopipe.data.imaging.decode import AS_FULL, encode_png, read_image
from cytopipe.data.imaging.masks import encode_mask
from cytopipe.data.leave_out import leave_out, sites_of
from cytopipe.data.manifest import Row
from cytopipe.data.mask_checks import look_at, misfit, say_masks
from cytopipe.data.splits import assign_splits, join_copies, torn
from cytopipe.data.value_range import dataset_reading, reading_summary
from cytopipe.errors import CytopipeError, OptionError

logger = logging.getLogger("cytopipe")
Progress = Callable[[Iterable[Any], int], Iterable[Any]]
CHUNK = 16  # images that a process takes at a time


@dataclass
class Stored:
    """What was stored of a sample that decodes: its PNG's hash and size, its mask's hash, and how it was converted.

    `mask_look` says what of the mask should be checked by a person ("empty", ...); `pixel_size_um` is that of the file.
    """

    sha256: str
    width: int
    height: int
    mask_sha256: str
    conversion: str | None
    mask_look: tuple[str, ...] = ()
    pixel_size_um: float | None = None


@dataclass
class Checked:
    """A sample that decodes."""

    sample: Sample
    stored: Stored


@dataclass
class Checks:
    """Result of decoding every image of a dataset: those kept, those refused and the conversions."""

    kept: list[Checked] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)
    converted: Counter[str] = field(default_factory=Counter)


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
    paths = [sample.image for sample in samples]
    reading, _ = dataset_reading(paths, options.range, options.reading, f"{key}.options", workers)
    staging = folders["train"] / ".staging"
    staging.mkdir()
    skip = dataset.bad_images == "skip"
    checks = check_images(samples, staging, folders["masks"], skip, progress, workers, reading)
    if not checks.kept:
        raise CytopipeError(f"none of {len(samples)} images can be used", where=key)
    labels = [item.sample.label for item in checks.kept]
    present = set(labels)
    order = source.class_order(dataset.options, f"{key}.options") or sorted(present)
    classes = [label for label in checked_names(order) if label in present]
    check_several_classes(labels, key)
    copies = find_copies(checks.kept)
    _warn(key, copies, dataset.split)
    units = independent_units(checks.kept, dataset.split.kind == "random")
    published = [item.sample.split for item in checks.kept]
    if dataset.split.leave_out is None:
        splits, left_out = assign_splits(labels, units, published, dataset.split, f"{key}.split"), None
    else:
        sites = sites_of([item.sample for item in checks.kept], dataset.split.leave_out, key)
        splits, left_out = leave_out(labels, units, sites, dataset.split, f"{key}.split")
    placed = zip(checks.kept, splits, strict=True)
    rows = [_place(item, split, classes, raw, staging, folders, options.pixel_size_um) for item, split in placed]
    staging.rmdir()
    rows, attributes = with_quartiles(rows, options.attribute_bins, f"{key}.options")
    normal = source.normal_classes(dataset.options, f"{key}.options", classes)
    tables = source.read_tables(raw, dataset.options, f"{key}.options")
    files = account(raw, found, samples, [item.sample for item in checks.kept], tables, left_behind)
    files.log(key)
    summary = summarize(name, dataset, classes, normal, rows, checks, copies)
    further = {name: value for name, value in (("attributes", attributes), ("left_out", left_out)) if value}
    return rows, summary | {"files": files.plain} | reading_summary(reading) | further


def check_images(
    samples: Sequence[Sample],
    staging: Path,
    masks: Path,
    skip: bool,
    progress: Progress,
    workers: int = 1,
    reading: Reading = AS_FULL,
) -> Checks:
    """Decode every image and mask and store them as `<id>.png`; `skip` records a fault instead of raising it."""
    checks = Checks()
    store = partial(_try_to_store, staging, masks, reading)
    with closing(ordered_map(store, samples, workers, CHUNK)) as results:
        for sample, stored in progress(zip(samples, results, strict=True), len(samples)):
            if isinstance(stored, Stored):
                checks.kept.append(Checked(sample, stored))
            elif skip and not isinstance(stored, OptionError):
                logger.warning("left out: %s", stored)
                checks.refused.append({"id": sample.id, "reason": stored.what})
            else:
                raise stored
    checks.converted.update(item.stored.conversion for item in checks.kept if item.stored.conversion)
    for conversion, count in sorted(checks.converted.items()):
        logger.info("%d images converted: %s", count, conversion)
    say_masks({item.sample.id: item.stored.mask_look for item in checks.kept if item.stored.mask_sha256}, len(samples))
    return checks


def _try_to_store(staging: Path, masks: Path, reading: Reading, sample: Sample) -> Stored | CytopipeError:
    try:
        return _store(staging, masks, reading, sample)
    except CytopipeError as error:
        return error


def _store(staging: Path, masks: Path, reading: Reading, sample: Sample) -> Stored:
    decoded = read_image(sample.image, reading)
    height, width = decoded.rgb.shape[:2]
    mask_png = b""
    look: tuple[str, ...] = ()
    if sample.mask is not None:
        mask = sample.mask((height, width))
        if mask.shape != (height, width):
            raise misfit(mask.shape, (height, width), decoded.turned, sample.image)
        look = look_at(mask, decoded.turned)
        mask_png = encode_mask(mask)
        (masks / f"{sample.id}.png").write_bytes(mask_png)
    png = encode_png(decoded.rgb, prepared=reading.range is not None or reading.channels is not None)
    (staging / f"{sample.id}.png").write_bytes(png)
    mask_sha256 = sha256_bytes(mask_png) if mask_png else ""
    return Stored(sha256_bytes(png), width, height, mask_sha256, decoded.note, look, decoded.pixel_size_um)


def find_copies(items: Sequence[Checked]) -> list[list[Checked]]:
    """Sets of two or more images with the same pixels."""
    same: dict[str, list[Checked]] = defaultdict(list)
    for item in items:
        same[item.stored.sha256].append(item)
    return [found for found in same.values() if len(found) > 1]


def independent_units(items: Sequence[Checked], alone: bool) -> list[str]:
    """The unit of each image that a split keeps together: its group (itself if `alone`), joined with its copies."""
    owners = [item.sample.id if alone else item.sample.group for item in items]
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
        source=sample.image.relative_to(raw).as_posix(),
        pixel_size_um=sample.pixel_size_um or pixel_size or stored.pixel_size_um,
        attributes=sample.attributes,
    )


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
