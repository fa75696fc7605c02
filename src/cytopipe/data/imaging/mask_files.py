"""Masks as people have them: grey values, palettes, colours, numbers of objects, JPEG; what each value means.

Every value of a mask must have a meaning. Where one has none, the error says what the mask seems to be, and which
option reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from cytopipe.data.imaging.masks import BACKGROUND, CYTOPLASM
from cytopipe.data.imaging.opening import opened, refuse_bombs
from cytopipe.errors import CytopipeError, OptionError

Part = Literal[0, 1, 2]
Colour = tuple[int, int, int]
SHOWN = 8  # values or colours that a message names
_SOFT = 0.9  # share of the pixels of a mask with soft edges that have one of its two or three main values
_OBJECTS = 3  # numbers above 0 that are taken as a count of objects


@dataclass(frozen=True)
class MaskMeaning:
    """What the values of masks mean.

    Attributes:
        values: a mask's value -> 0 background, 1 cytoplasm, 2 nucleus; "any": every value above 0 is the cell.
        colours: the same by colour, instead of the values; None: masks have grey values or palette indices.
        nearest: whether a value or colour without a meaning has that of the nearest one (soft edges, JPEG).
        given: whether `values` were given, not the default.
    """

    values: Mapping[int, Part] | Literal["any"]
    colours: Mapping[Colour, Part] | None = None
    nearest: bool = False
    given: bool = False


def read_meaning(path: Path, meaning: MaskMeaning) -> np.ndarray:
    """Read a mask file: H x W uint8 palette, upright as its EXIF orientation says.

    Raises:
        OptionError: values or colours without a meaning.
        CytopipeError: for a missing, empty, truncated or unknown file, or one of several pages.
    """
    if not path.exists():
        raise CytopipeError("no such mask", where=path, hint="restore it, or run download again")
    with opened(path, hint="replace the mask") as image:
        refuse_bombs(image, path)
        if getattr(image, "n_frames", 1) > 1:
            raise CytopipeError(
                f"the mask holds {getattr(image, 'n_frames', 0)} pages, not one", where=path, hint="save one page"
            )
        lossy = image.format == "JPEG" or (image.format == "WEBP" and image.mode == "RGB")
        upright = ImageOps.exif_transpose(image)
        upright.load()
    if meaning.colours is not None:
        return _of_colours(np.asarray(_opaque(upright, path).convert("RGB")), meaning, path, lossy)
    values = grey_values(upright, path, meaning.given)
    if meaning.values == "any":
        if lossy:
            raise _lossy(values, path)
        return np.where(values > 0, CYTOPLASM, BACKGROUND).astype(np.uint8)
    return _of_values(values, meaning.values, meaning.nearest, path, lossy)


def grey_values(image: Image.Image, path: Path, given: bool) -> np.ndarray:
    """Integers H x W of a mask without colours: grey values, or the indices of a palette.

    Raises:
        OptionError: the mask has colours, or a palette whose indices were not given a meaning and hardly are one.
        CytopipeError: the values are no whole numbers.
    """
    if image.mode == "P":
        if not given:
            _check_palette(image, path)
        return np.asarray(image)
    if image.mode in ("L", "1"):
        return np.asarray(image.convert("L"))
    if image.mode == "F" or image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image)
        whole = values.astype(np.int64)
        if not np.array_equal(whole, values):
            raise CytopipeError(
                "the mask has fractions as values", where=path, hint="save it with whole numbers, 8 or 16 bits"
            )
        return whole
    pixels = np.asarray(_opaque(image, path).convert("RGB"))
    if (pixels != pixels[..., :1]).any():
        raise _coloured(pixels, path)
    return pixels[..., 0]


def _opaque(image: Image.Image, path: Path) -> Image.Image:
    """The image itself, if no pixel is transparent."""
    if image.mode in ("RGBA", "LA", "PA") or (image.mode == "P" and "transparency" in image.info):
        alpha = np.asarray(image.convert("RGBA"))[..., 3]
        if alpha.any() and (alpha < 255).any():
            raise OptionError(
                f"{np.mean(alpha < 255):.0%} of the mask is transparent, and what shows there is not said",
                where=path,
                hint="save the masks without transparency",
            )
    return image


def _of_values(values: np.ndarray, meaning: Mapping[int, Part], nearest: bool, path: Path, lossy: bool) -> np.ndarray:
    found, places = np.unique(values, return_inverse=True)
    unknown = [int(value) for value in found if int(value) not in meaning]
    if unknown and not nearest:
        raise unknown_values(values, unknown, meaning, path, lossy)
    known = np.array(sorted(meaning))
    near = known[np.abs(found.astype(np.int64)[:, None] - known).argmin(axis=1)]
    parts: np.ndarray = np.array([meaning[int(value)] for value in near], np.uint8)
    return parts[places].reshape(values.shape)


def _of_colours(pixels: np.ndarray, meaning: MaskMeaning, path: Path, lossy: bool) -> np.ndarray:
    assert meaning.colours is not None
    flat, places = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    known = np.array(list(meaning.colours), np.int64)
    distances = ((flat[:, None].astype(np.int64) - known) ** 2).sum(axis=2)
    unknown = flat[distances.min(axis=1) > 0]
    if len(unknown) and not meaning.nearest:
        what = f"the mask has colours that options.mask_colours does not name: {_listed(pixels, unknown)}"
        if lossy:
            what += "; it is a JPEG, which changes colours"
        raise OptionError(
            what,
            where=path,
            hint="name them; or, if they are the soft edges of the others, set options.mask_nearest: true"
            + (", or save the masks as PNG" if lossy else ""),
        )
    parts: np.ndarray = np.array(list(meaning.colours.values()), np.uint8)[distances.argmin(axis=1)]
    return parts[places.reshape(-1)].reshape(pixels.shape[:2])


def unknown_values(
    values: np.ndarray, unknown: list[int], meaning: Mapping[int, Part], path: Path, lossy: bool
) -> OptionError:
    """The error for values without a meaning: what the mask seems to be, and the option that reads it."""
    if lossy:
        return _lossy(values, path)
    found, counts = np.unique(values, return_counts=True)
    above = found[found > 0].astype(np.int64)
    listed = ", ".join(map(str, unknown[:SHOWN])) + (", ..." if len(unknown) > SHOWN else "")
    share = float(np.sort(counts)[-3:].sum() / counts.sum())
    numbers = len(above) >= _OBJECTS and (above.max() <= 2 * len(above) or values.dtype != np.uint8)
    if numbers and found[0] == 0 and not (above.max() == 255 and share > _SOFT):
        return OptionError(
            f"the masks number objects: this one has {len(above)} values above 0, from {above.min()} to {above.max()}",
            where=path,
            hint="options.mask_values: any takes every value above 0 as cell; it forgets which cell is which",
        )
    if len(found) > _OBJECTS and share > _SOFT:
        return OptionError(
            f"the mask has {len(unknown)} values between its main ones ({listed}): its edges are soft",
            where=path,
            hint="save masks without anti-aliasing; or options.mask_nearest: true takes the nearest of "
            f"options.mask_values ({sorted(meaning)})",
        )
    if set(found.tolist()) == {0, 255}:
        return OptionError(
            f"mask values [255] are none of {sorted(meaning)}",
            where=path,
            hint="if 255 is the cell: options.mask_values: {0: 0, 255: 1}; if it is the nucleus: {0: 0, 255: 2}",
        )
    return OptionError(
        f"mask values [{listed}] are none of {sorted(meaning)}",
        where=path,
        hint="name them in options.mask_values (each value: 0 background, 1 cytoplasm or 2 nucleus), or set it to any: "
        "every value above 0 is cell",
    )


def _lossy(values: np.ndarray, path: Path) -> OptionError:
    return OptionError(
        f"the mask is a JPEG, which has {len(np.unique(values))} values where it was drawn with a few",
        where=path,
        hint="export the masks as PNG or TIFF; or set options.mask_values to those that were drawn, such as "
        "{0: 0, 255: 1}, and options.mask_nearest: true",
    )


def _coloured(pixels: np.ndarray, path: Path) -> OptionError:
    colours = np.unique(pixels.reshape(-1, 3), axis=0)
    return OptionError(
        f"the mask has colours, not values: {_listed(pixels, colours)}",
        where=path,
        hint="say what each means: options.mask_colours: {'#000000': 0, '#ff0000': 1}, where 0 is background, 1 "
        "cytoplasm and 2 nucleus",
    )


def _listed(pixels: np.ndarray, colours: np.ndarray) -> str:
    """Colours with their shares of the mask, the most frequent first."""
    flat = pixels.reshape(-1, 3).astype(np.int64) @ np.array([65_536, 256, 1])
    wanted = colours.astype(np.int64) @ np.array([65_536, 256, 1])
    found, counts = np.unique(flat, return_counts=True)
    shares = {int(code): count / len(flat) for code, count in zip(found, counts, strict=True)}
    order = sorted((int(code) for code in wanted), key=lambda code: (-shares[code], code))
    named = ", ".join(f"#{code:06x} ({shares[code]:.1%})" for code in order[:SHOWN])
    return named + (f" and {len(order) - SHOWN} more" if len(order) > SHOWN else "")


def _check_palette(image: Image.Image, path: Path) -> None:
    """Refuse a palette in which 0, the background by default, is shown brighter than the cell."""
    entries = np.array(image.getpalette() or [], np.int64).reshape(-1, 3).sum(axis=1)
    used = [int(value) for value in np.unique(np.asarray(image)) if value < len(entries)]
    if 0 in used and len(used) > 1 and all(entries[0] > entries[value] for value in used[1:]):
        colours = np.array(image.getpalette() or [], np.int64).reshape(-1, 3)
        named = ", ".join(f"{value} is #{''.join(f'{part:02x}' for part in colours[value])}" for value in used[:SHOWN])
        raise OptionError(
            f"the mask has a palette in which 0 is the brightest: {named}; whether 0 is the background is not sure",
            where=path,
            hint="say what the numbers mean in options.mask_values, or what the colours mean in options.mask_colours",
        )
