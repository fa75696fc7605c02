"""Decoding and checking of every image and mask of a dataset, and storing them as PNG files."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from cytopipe.adapters.base import Sample
from cytopipe.core.io.hashing import sha256_bytes
from cytopipe.core.io.workers import ordered_map
from cytopipe.core.params import Reading
from cytopipe.data.crops import read_crop
from cytopipe.data.imaging.decode import AS_FULL, encode_png, read_image
from cytopipe.data.imaging.masks import encode_mask
from cytopipe.data.mask_checks import look_at, misfit, say_masks
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


def check_images(
    samples: Sequence[Sample],
    staging: Path,
    masks: Path,
    skip: bool,
    progress: Progress,
    workers: int = 1,
    reading: Reading = AS_FULL,
    unused: Collection[str] = (),
) -> Checks:
    """Decode every image and mask and store them as `<id>.png`; `skip` records a fault instead of raising it.

    So does a fault of the images with the ids `unused`, which are decoded because they count in the drawing of splits.
    """
    checks = Checks()
    store = partial(_try_to_store, staging, masks, reading)
    with closing(ordered_map(store, samples, workers, CHUNK)) as results:
        for sample, stored in progress(zip(samples, results, strict=True), len(samples)):
            if isinstance(stored, Stored):
                checks.kept.append(Checked(sample, stored))
            elif (skip or sample.id in unused) and not isinstance(stored, OptionError):
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
    decoded = read_crop(sample.image, sample.crop, reading) if sample.crop else read_image(sample.image, reading)
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
