"""Checks of true masks: whether they fit their images, and what a person should look at."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cytopipe.data.imaging.masks import BACKGROUND
from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")
EMPTY, INVERTED, TURNED = "empty", "inverted", "turned"
_BORDER = 0.95  # share of the border that is cell in a mask that may be inverted


def misfit(mask: tuple[int, ...], image: tuple[int, int], turned: bool, path: Path) -> CytopipeError:
    """The error for a mask that is not of its image's size.

    Args:
        mask, image: height and width.
        turned: whether the image's EXIF orientation turned it.
        path: the image.
    """
    what = f"the mask is {mask[1]} x {mask[0]} px, its image {image[1]} x {image[0]}"
    if turned and mask == (image[1], image[0]):
        return CytopipeError(
            f"{what}, because the image is turned by its EXIF orientation and the mask is not: it was drawn on the "
            "pixels as they are stored",
            where=path,
            hint="turn the masks as the EXIF orientation says, or save the images and masks upright without it",
        )
    return CytopipeError(
        what, where=path, hint="replace the mask, or set bad_images: skip for this dataset to leave such images out"
    )


def look_at(mask: np.ndarray, turned: bool) -> tuple[str, ...]:
    """What a person should look at of a palette mask, H x W uint8, whose image may have been turned by its EXIF."""
    cell = mask != BACKGROUND
    border = np.concatenate([cell[0], cell[-1], cell[:, 0], cell[:, -1]])
    found = {
        EMPTY: not cell.any(),
        INVERTED: border.mean() > _BORDER and not cell.all(),
        TURNED: turned,
    }
    return tuple(name for name, holds in found.items() if holds)


def say_masks(looks: Mapping[str, tuple[str, ...]], images: int) -> None:
    """Log how many images have a mask, and what should be looked at.

    Args:
        looks: what `look_at` found, by the id of each image that has a mask.
        images: number of all images.

    Raises:
        CytopipeError: every mask is empty.
    """
    if not looks:
        return
    if len(looks) < images:
        logger.info("%d of %d images have a true mask; segmenters train on these", len(looks), images)
    found = {name: [id_ for id_, look in looks.items() if name in look] for name in (EMPTY, INVERTED, TURNED)}
    if len(found[EMPTY]) == len(looks):
        raise CytopipeError(
            f"every one of the {len(looks)} masks is empty: no pixel is cell",
            where=found[EMPTY][0],
            hint="check options.mask_values or options.mask_colours: which value is the cell?",
        )
    if found[EMPTY]:
        logger.warning("%d masks are empty (no pixel is cell), first %s", len(found[EMPTY]), found[EMPTY][0])
    if 2 * len(found[INVERTED]) > len(looks):
        logger.warning(
            "in %d of %d masks the border is cell and the middle is not, first %s: are they inverted? "
            "options.mask_values: {0: 1, 255: 0} turns them round",
            *(len(found[INVERTED]), len(looks), found[INVERTED][0]),
        )
    if found[TURNED]:
        logger.warning(
            "%d images with a mask are turned by their EXIF orientation, first %s: their masks are taken as drawn on "
            "the upright image",
            *(len(found[TURNED]), found[TURNED][0]),
        )
