"""What `fit` does to the images of a dataset: how many are padded, and how many lose their edges."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from cytopipe.core.params import Fit, Scale
from cytopipe.data.imaging.fit import place
from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError

SHOWN = 3  # ids in a message
logger = logging.getLogger("cytopipe")


def fit_counts(rows: Sequence[Row], size: int, fit: Fit, key: str) -> dict[str, Any]:
    """Count the images that are padded and those that are cropped; cropped ones are logged.

    Args:
        rows: manifest of the organized images.
        size: side of the square, pixels.
        fit: how an image becomes a square.
        key: of the dataset in params.yaml, for messages.

    Returns:
        "padded" and "cropped", each with "count" and "first", an id or None.

    Raises:
        CytopipeError: the scale is in micrometres and the pixel size of an image is not known, or a scaled image would
            be too large.
    """
    if isinstance(fit, Scale) and fit.um_per_pixel and (unknown := [row for row in rows if not row.pixel_size_um]):
        named = ", ".join(f"'{row.id}'" for row in unknown[:SHOWN]) + (", ..." if len(unknown) > SHOWN else "")
        raise CytopipeError(
            f"{len(unknown)} of {len(rows)} images do not say how large their pixels are: {named}",
            where=f"{key}.fit",
            hint=f"um_per_pixel needs it: give the micrometres of one pixel as {key}.options.pixel_size_um, or set a "
            "scale in pixels, {kind: scale, source_pixels: NUMBER}",
        )
    placed = [(row, place((row.height, row.width), size, fit, row.pixel_size_um)) for row in rows]
    cropped = [row for row, where in placed if where.crops]
    if cropped:
        largest = max(cropped, key=lambda row: max(row.width, row.height))
        logger.warning(
            "%s.fit: %d of %d images are larger than %d x %d px at this scale, and only their centre is kept: first "
            "'%s'; the largest, '%s', has %d x %d px. A larger image_size or a coarser scale keeps them whole",
            key,
            len(cropped),
            len(rows),
            size,
            size,
            cropped[0].id,
            largest.id,
            largest.width,
            largest.height,
        )
    padded = [row for row, where in placed if min(where.height, where.width) < size]
    return {"padded": _some(padded), "cropped": _some(cropped)}


def _some(rows: Iterable[Row]) -> dict[str, Any]:
    ids = [row.id for row in rows]
    return {"count": len(ids), "first": ids[0] if ids else None}
