"""Which picture of a file is the image: files of phones, GIFs and pyramids hold several.

The first picture of a JPEG (MPO), GIF, WebP or PNG counts, and the page of a TIFF in full resolution, if all its other
pages are smaller versions of it: marked as such (NewSubfileType), or the same picture by their pixels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from cytopipe.errors import CytopipeError

_NEW_SUBFILE_TYPE, _SUBFILE_TYPE = 254, 255
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_OLD_REDUCED = 2  # value of SubfileType
_LEAST_FACTOR = 1.5  # between two levels of a pyramid; 2 or 4 are usual
_COMPARED = 256  # pixels: the longest side at which two pages are compared
_LARGEST_COMPARED = 4096 * 4096  # pixels; larger pages are compared by their shape alone
_LEAST_LIKENESS = 0.8  # correlation of a page and its reduced version


def select_frame(image: Image.Image, path: Path) -> str | None:
    """Move an opened file of several pictures to the one that is its image; nothing is decoded of a file of one.

    Returns:
        What was selected ("first of several pictures (MPO)", ...), None for a file of one picture.

    Raises:
        CytopipeError: for a TIFF of several pages that are no versions of one picture.
    """
    count = getattr(image, "n_frames", 1)
    if count <= 1:
        return None
    if image.format != "TIFF":
        image.seek(0)
        return f"first of several pictures ({image.format})"
    if (page := _full_resolution(image, count)) is None:
        image.seek(0)
        raise CytopipeError(
            f"the file holds {count} pages that are no versions of one picture (such as channels, a stack or a movie), "
            "not one image",
            where=path,
            hint="save each as a file of its own, or the channels as one RGB image",
        )
    image.seek(page)
    return "full resolution of several pages (TIFF)"


def _full_resolution(image: Image.Image, count: int) -> int | None:
    """The page of which all others are smaller versions; None if there is none."""
    sizes, marked = [], []
    for page in range(count):
        image.seek(page)
        tags = getattr(image, "tag_v2", {})
        kind = int(tags.get(_NEW_SUBFILE_TYPE, 0) or 0)
        marked.append(bool(kind & (_REDUCED | _MASK)) or tags.get(_SUBFILE_TYPE) == _OLD_REDUCED)
        sizes.append(image.size)
    whole = [page for page in range(count) if not marked[page]]
    if not whole:  # some programs mark every page
        whole = list(range(count))
    full = max(whole, key=lambda page: (sizes[page][0] * sizes[page][1], -page))
    others = [page for page in whole if page != full]
    if not all(_could_be_reduced(sizes[page], sizes[full]) for page in others):
        return None
    if others and sizes[full][0] * sizes[full][1] <= _LARGEST_COMPARED:
        reference = _grey(image, full)
        if not all(_shows(reference, _grey(image, page)) for page in others):
            return None
    return full


def _could_be_reduced(size: tuple[int, int], full: tuple[int, int]) -> bool:
    """Whether a page is smaller than the full one by one factor for both sides, but for a pixel of rounding."""
    factor = max(full) / max(size)
    return factor >= _LEAST_FACTOR and all(abs(a * factor - b) <= factor + 1 for a, b in zip(size, full, strict=True))


def _grey(image: Image.Image, page: int) -> Image.Image:
    image.seek(page)
    values = np.asarray(image).astype(np.float32)
    return Image.fromarray(values if values.ndim == 2 else values.mean(axis=2))


def _shows(full: Image.Image, page: Image.Image) -> bool:
    """Whether a page is the full one reduced, by averaging or by leaving pixels out."""
    page.thumbnail((_COMPARED, _COMPARED), Image.Resampling.BOX)
    reduced = (full.resize(page.size, method) for method in (Image.Resampling.BOX, Image.Resampling.NEAREST))
    return any(_alike(np.asarray(page, np.float64), np.asarray(one, np.float64)) for one in reduced)


def _alike(first: np.ndarray, second: np.ndarray) -> bool:
    a, b = first - first.mean(), second - second.mean()
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    if size == 0:  # a page of one value
        return bool(np.allclose(first, second, rtol=0.1, atol=2))
    return float((a * b).sum()) / size >= _LEAST_LIKENESS
