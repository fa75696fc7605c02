"""SIPaKMeD: 4,049 isolated cells cropped from 966 fields of Pap smears, five classes.

Plissiti et al., "SIPaKMeD: a new dataset for feature and image based classification of normal and pathological
cervical cells in Pap smear images", ICIP 2018. Contours are `.dat` files, one `x,y` pair of floats a line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from cytopipe.datasets.base import Adapter, Options, Sample
from cytopipe.errors import CytopipeError
from cytopipe.masks import cell_mask

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
        CytopipeError: for a missing file, a line that is no pair of finite numbers, or fewer than three points.
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
                f"not an x,y pair: {line.strip()[:40]!r}", where=f"{path}:{number}", hint="write two numbers a line"
            ) from None
        points.append((x, y))
    if len(points) < 3:
        raise CytopipeError(f"a contour needs 3 points, this has {len(points)}", where=path)
    return np.array(points)


def _mask_of_cell(image: Path, size: tuple[int, int]) -> np.ndarray:
    cytoplasm, nucleus = (read_contour(image.with_name(f"{image.stem}_{part}.dat")) for part in ("cyt", "nuc"))
    return cell_mask(size, [(cytoplasm, nucleus)])


def _mask_of_field(image: Path, size: tuple[int, int]) -> np.ndarray:
    cytoplasms = sorted(image.parent.glob(f"{image.stem}_cyt*.dat"))
    if not cytoplasms:
        raise CytopipeError(f"no contour {image.stem}_cyt*.dat lies beside it", where=image)
    return cell_mask(
        size,
        [(read_contour(path), read_contour(path.with_name(path.name.replace("_cyt", "_nuc")))) for path in cytoplasms],
    )


def _samples(raw: Path, options: SipakmedOptions) -> Iterator[Sample]:
    pattern, read_mask = (_CELL, _mask_of_cell) if options.images == "cells" else (_FIELD, _mask_of_field)
    for image in sorted(raw.rglob("*")):
        match = pattern.match(image.name)
        folder = image.parent.parent if image.parent.name.upper() == "CROPPED" else image.parent
        if not match or (options.images == "cells") != (image.parent.name.upper() == "CROPPED"):
            continue
        label = _LABELS.get(folder.name.lower().removeprefix("im_"))
        if label is None:
            raise ADAPTER.not_found(raw, f"the folder '{folder.relative_to(raw)}' is no class of SIPaKMeD")
        group = f"{label}_{int(match[1]):03d}"
        cell = f"_{int(match[2]):02d}" if options.images == "cells" else ""
        yield Sample(f"{group}{cell}", image, label, group, mask=partial(read_mask, image))


ADAPTER = Adapter(
    name="sipakmed",
    title="SIPaKMeD",
    home="https://www.cs.uoi.gr/~marina/sipakmed.html",
    layout="im_<Class>/im_<Class>/CROPPED/001_01.bmp with 001_01_cyt.dat; with options.images: fields, 001.bmp with "
    "001_cyt01.dat",
    group_key="class + number of the field that the cell was cropped from",
    classes=CLASSES,
    options=SipakmedOptions,
    samples=_samples,
)
