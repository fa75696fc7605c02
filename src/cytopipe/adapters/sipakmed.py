"""SIPaKMeD: 4,049 isolated cells cropped from 966 fields of Pap smears, five classes.

Plissiti et al., "SIPaKMeD: a new dataset for feature and image based classification of normal and pathological
cervical cells in Pap smear images", ICIP 2018. Contours are `.dat` files, one `x,y` pair of floats per line.

The publisher gives no split. `split.kind: published` means that of the interpretable attention networks (system D of
the five): the sorted files of each class, shuffled by `random.seed(230)`, 70 % for training, 20 % for validation, both
rounded down, and the rest for testing: 674 / 191 / 101 of the fields, 2,832 / 808 / 409 of the isolated cells. That of
the cells tears fields, so it needs `split.torn_groups: report`.
"""

from __future__ import annotations

import math
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from pydantic import Field

from cytopipe.adapters.base import Adapter, AnnotatedCell, AnnotatedField, Options, Phantoms, Sample
from cytopipe.adapters.layout import list_images
from cytopipe.data.imaging.masks import cell_mask
from cytopipe.errors import CytopipeError

CLASSES = ("Dyskeratotic", "Koilocytotic", "Metaplastic", "Parabasal", "Superficial-Intermediate")
_LABELS = {label.lower(): label for label in CLASSES}
_CELL = re.compile(r"^(\d+)_(\d+)\.bmp$", re.IGNORECASE)
_FIELD = re.compile(r"^(\d+)\.bmp$", re.IGNORECASE)


class SipakmedOptions(Options):
    """Which of the publisher's images."""

    images: Literal["cells", "fields"] = Field(
        "cells", description="cells: the isolated ones of CROPPED/; fields: whole fields of view"
    )


def read_contour(path: Path) -> np.ndarray:
    """Points of a contour, N x 2 float, x and y in pixels; blank lines and spaces are allowed.

    Raises:
        CytopipeError: for a missing file, a line that is not a pair of finite numbers, or fewer than three points.
    """
    if not path.is_file():
        raise CytopipeError("no such contour", where=path)
    points = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            x, y = (float(value) for value in line.split(","))
            if not (math.isfinite(x) and math.isfinite(y)):
                raise ValueError
        except ValueError:
            raise CytopipeError(
                f"not an x,y pair: {line.strip()[:40]!r}", where=f"{path}:{number}", hint="write two numbers per line"
            ) from None
        points.append((x, y))
    if len(points) < 3:
        raise CytopipeError(f"a contour needs 3 points, this has {len(points)}", where=path)
    return np.array(points)


def _mask_of_cell(image: Path, size: tuple[int, int]) -> np.ndarray:
    cytoplasm, nucleus = (read_contour(image.with_name(f"{image.stem}_{part}.dat")) for part in ("cyt", "nuc"))
    return cell_mask(size, [(cytoplasm, nucleus)])


def _contour_files(image: Path, cropped: bool) -> tuple[Path, ...]:
    if cropped:
        return tuple(image.with_name(f"{image.stem}_{part}.dat") for part in ("cyt", "nuc"))
    return tuple(path for part in ("cyt", "nuc") for path in sorted(image.parent.glob(f"{image.stem}_{part}*.dat")))


def _mask_of_field(image: Path, size: tuple[int, int]) -> np.ndarray:
    return cell_mask(size, [contours for _, contours in _contours_of_field(image)])


def _contours_of_field(image: Path) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Number, as the publisher writes it, and outlines, of cytoplasm and nucleus, of every cell of a field."""
    cytoplasms = sorted(image.parent.glob(f"{image.stem}_cyt*.dat"))
    if not cytoplasms:
        raise CytopipeError(f"no contour {image.stem}_cyt*.dat lies beside it", where=image)
    for path in cytoplasms:
        nucleus = path.with_name(path.name.replace("_cyt", "_nuc"))
        yield path.stem.rpartition("_cyt")[2], (read_contour(path), read_contour(nucleus))


def draw_published_split(names: Sequence[str]) -> dict[str, str]:
    """System D's split of the files of one class: 70 % train, 20 % val, rounded down, and the rest test."""
    shuffled = sorted(names)
    random.Random(230).shuffle(shuffled)
    train = int(0.7 * len(shuffled))
    val = train + int(0.2 * len(shuffled))
    return {name: "train" if place < train else "val" if place < val else "test" for place, name in enumerate(shuffled)}


def _images(raw: Path, cropped: bool) -> dict[str, dict[str, PurePosixPath]]:
    """Paths of the isolated cells, or of the whole fields, below `raw` by class and file name."""
    pattern = _CELL if cropped else _FIELD
    found: dict[str, dict[str, PurePosixPath]] = defaultdict(dict)
    for image in list_images(raw):
        is_cropped = image.parent.name.upper() == "CROPPED"
        if not pattern.match(image.name) or cropped != is_cropped:
            continue
        folder = image.parent.parent if is_cropped else image.parent
        label = _LABELS.get(folder.name.lower().removeprefix("im_"))
        if label is None:
            raise ADAPTER.not_found(raw, f"the folder '{folder}' is not a class of SIPaKMeD")
        first = found[label].setdefault(image.name, image)
        if first is not image:
            raise CytopipeError(f"two images have one name: {first} and {image}", where=raw, hint="keep one copy")
    return found


def _group(label: str, field: int) -> str:
    return f"{label}_{field:03d}"


def _samples(raw: Path, options: SipakmedOptions) -> Iterator[Sample]:
    cropped = options.images == "cells"
    read_mask = _mask_of_cell if cropped else _mask_of_field
    for label, images in _images(raw, cropped).items():
        splits = draw_published_split(list(images))
        for name, image in images.items():
            field, *cell = (int(number) for number in re.findall(r"\d+", PurePosixPath(name).stem))
            group = _group(label, field)
            id_ = "_".join([group, *(f"{number:02d}" for number in cell)])
            path = raw / image
            yield Sample(id_, path, label, group, splits[name], partial(read_mask, path), _contour_files(path, cropped))


def _fields(raw: Path, options: SipakmedOptions) -> Iterator[AnnotatedField]:
    for label, images in _images(raw, cropped=False).items():
        for name, image in images.items():
            group = _group(label, int(PurePosixPath(name).stem))
            cells = tuple(
                AnnotatedCell(f"{group}_{number}", label, *contours)
                for number, contours in _contours_of_field(raw / image)
            )
            yield AnnotatedField(group, raw / image, group, cells)


ADAPTER = Adapter(
    name="sipakmed",
    title="SIPaKMeD",
    home="https://www.cs.uoi.gr/~marina/sipakmed.html",
    layout="im_<Class>/im_<Class>/CROPPED/001_01.bmp with 001_01_cyt.dat; with options.images: fields, 001.bmp with "
    "001_cyt01.dat",
    group_key="class + number of the field that the cell was cropped from",
    published_split="none by the publisher; here system D's: random.seed(230), 70/20/10 % of each class's sorted files",
    classes=CLASSES,
    normal=("Metaplastic", "Parabasal", "Superficial-Intermediate"),  # benign changes are no disease
    options=SipakmedOptions,
    samples=_samples,
    fields=_fields,
    phantoms=Phantoms("sipakmed", table="cervix"),
)
