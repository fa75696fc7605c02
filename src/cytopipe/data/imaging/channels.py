"""Pages and channels of TIFFs: what a microscope's file holds beyond one grey or colour image, and picking from it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cytopipe.core.params import Reading
from cytopipe.errors import CytopipeError

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
RGB, CMYK, PALETTE = 2, 5, 3  # photometric interpretations
_ALPHA = (1, 2)  # extra samples that are transparency


@dataclass(frozen=True)
class Layers:
    """What a TIFF holds.

    Attributes:
        pages: number of pages; planes of ImageJ's stacks are pages, whether or not the file lists them.
        bands: channels of a page.
        is_image: whether a page is grey or colour, with or without alpha.
        said: what the program that wrote it calls the pages ("ImageJ: 3 channels"); may be empty.
        tags: of the first page, by number.
    """

    pages: int
    bands: int
    is_image: bool
    said: str
    tags: Mapping[int, Any]

    def __str__(self) -> str:
        many = f"{self.pages} pages" if self.pages > 1 else f"{self.bands} channels"
        if self.pages > 1 and not self.is_image:
            many += f" of {self.bands} channels"
        return many + (f" ({self.said})" if self.said else "")


def is_tiff(path: Path) -> bool:
    """Whether a file begins as a TIFF does."""
    with path.open("rb") as file:
        return file.read(4) in _MAGIC


def layers_of(path: Path) -> Layers:
    """Pages and channels of a TIFF.

    Raises:
        CytopipeError: its structure cannot be read.
    """
    import tifffile  # here, because most images need it not

    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            tags = {tag.code: tag.value for tag in page.tags.values()}
            description = str(tags.get(270, ""))
            pages = max(len(file.pages), _imagej_planes(description))
            extra = tuple(int(value) for value in page.extrasamples)
            colours = 3 if page.photometric == RGB else 1
            alpha = 1 if extra[:1] and extra[0] in _ALPHA else 0
            spare = 1 if page.photometric == RGB and page.samplesperpixel == 4 else 0  # as PIL does: RGBX
            is_image = page.samplesperpixel in (colours, colours + max(alpha, spare)) or page.photometric in (
                CMYK,
                6,
                8,
            )
            return Layers(pages, page.samplesperpixel, is_image, _said(description, pages), tags)
    except CytopipeError:
        raise
    except Exception as error:  # a damaged header makes tifffile raise what it likes
        raise CytopipeError(f"the image cannot be decoded ({error})", where=path, hint="replace the file") from None


def _imagej_planes(description: str) -> int:
    found = re.search(r"^images=(\d+)$", description, re.MULTILINE) if description.startswith("ImageJ=") else None
    return int(found[1]) if found else 1


def _said(description: str, pages: int) -> str:
    """What ImageJ or OME says of the pages."""
    if description.startswith("ImageJ="):
        named = dict(re.findall(r"^(channels|slices|frames)=(\d+)$", description, re.MULTILINE))
        return "ImageJ: " + ", ".join(f"{count} {what}" for what, count in named.items()) if named else ""
    if "<OME" in description:
        words = {"C": "channels", "Z": "slices", "T": "time points"}
        found = ((words[axis], re.search(rf'Size{axis}="(\d+)"', description)) for axis in words)
        counts = [f"{match[1]} {word}" for word, match in found if match and match[1] != "1"]
        return "OME: " + ", ".join(counts) if counts else ""
    return ""


def refuse_layers(layers: Layers, path: Path) -> CytopipeError:
    """The error for a file of several pages or channels of which none is picked."""
    what = f"the file holds {layers}, not one grey or colour image"
    return CytopipeError(what, where=path, hint=_choices(layers))


def _choices(layers: Layers) -> str:
    """Which option picks from a file."""
    count = layers.pages if layers.pages > 1 else layers.bands
    some = "[0, 1] takes two as red and green" if count == 2 else "[0, 1, 2] takes three as red, green and blue"
    pick = f"options.channels: {some}, [0] takes one as grey (they count from 0)"
    return f"{pick}; options.page: 0 takes one page as the image" if layers.pages > 1 else pick


def picked_values(path: Path, layers: Layers, reading: Reading) -> np.ndarray:
    """The page or channels that `reading` picks: H x W, or H x W x 2 to 4 in the order asked for.

    Two channels become red and green.

    Raises:
        CytopipeError: none is picked though there are several, or one is picked that there is not.
    """
    page, channels = reading.page, reading.channels
    if channels is None and (page is None or not layers.is_image) and (layers.pages > 1 or not layers.is_image):
        raise refuse_layers(layers, path)
    if page is not None and page >= layers.pages:
        raise _missing("page", page, layers, path)
    if channels is None:
        return page_values(path, page or 0)
    if layers.pages > 1 and page is None:
        if max(channels) >= layers.pages:
            raise _missing("channels", max(channels), layers, path)
        planes = [page_values(path, number) for number in channels]
        if any(plane.ndim != 2 for plane in planes):
            raise CytopipeError(
                f"the file holds {layers}, whose pages are colour images, not channels",
                where=path,
                hint="options.page: 0 takes one page as the image",
            )
        if len({plane.shape for plane in planes}) > 1:
            raise CytopipeError(
                "the pages that options.channels names are of different sizes", where=path, hint="name others"
            )
        return stacked(planes)
    values = page_values(path, page or 0)
    return of_channels(values, channels, path)


def of_channels(values: np.ndarray, channels: Sequence[int], path: Path) -> np.ndarray:
    """Channels of an image H x W or H x W x C, in the order asked for.

    Raises:
        CytopipeError: a channel is asked for that there is not.
    """
    bands = values[..., None] if values.ndim == 2 else values
    if max(channels) >= bands.shape[2]:
        raise CytopipeError(
            f"there is no channel {max(channels)}: the image has {bands.shape[2]}, counted from 0",
            where=path,
            hint="correct options.channels",
        )
    return stacked([bands[..., number] for number in channels])


def stacked(planes: Sequence[np.ndarray]) -> np.ndarray:
    """One plane as it is, three as red, green and blue, two as red and green with a blue of zero.

    Raises:
        ValueError: planes of different sizes.
    """
    if len(planes) == 1:
        return planes[0]
    return np.stack([*planes, *[np.zeros_like(planes[0])] * (3 - len(planes))], axis=-1)


def _missing(option: str, number: int, layers: Layers, path: Path) -> CytopipeError:
    return CytopipeError(
        f"there is no page {number}: the file holds {layers}, counted from 0",
        where=path,
        hint=f"correct options.{option}",
    )


def page_values(path: Path, number: int) -> np.ndarray:
    """The values of a page of a TIFF, or of a PNG: H x W, or H x W x C.

    Raises:
        CytopipeError: neither libvips nor tifffile can read it.
    """
    import pyvips  # here, because libvips takes a while to load

    chosen = {"page": number} if number else {}
    try:
        image = pyvips.Image.new_from_file(str(path), fail_on="truncated", **chosen)
        # libvips makes white 255 or 65535 where a file says that white is 0.
        values: np.ndarray = image.numpy()
        return values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    except pyvips.Error as error:
        reason = re.sub(r"\s+", " ", str(error)).strip()
    return _by_tifffile(path, number, reason)


def _by_tifffile(path: Path, number: int, reason: str) -> np.ndarray:
    """What libvips does not read: 64 bits, and the planes of ImageJ's stacks that the file does not list."""
    if not is_tiff(path):
        raise CytopipeError(f"the image cannot be decoded ({reason})", where=path)
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            if number < len(file.pages):
                page = file.pages[number]
                values: np.ndarray = page.asarray()
                first = file.pages.first
                return np.moveaxis(values, 0, -1) if first.planarconfig == 2 and first.samplesperpixel > 1 else values
            stack = file.series[0].asarray()
            plane: np.ndarray = stack.reshape(-1, *stack.shape[-2:])[number]
            return plane
    except Exception as error:
        bits = "this TIFF is of a kind that is not read"
        raise CytopipeError(f"{bits} ({error})", where=path, hint="convert it to 8 or 16 bits a channel") from None
