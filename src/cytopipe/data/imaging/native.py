"""The values of an image file as they are, upright, before any range turns them into 8 bits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from cytopipe.core.params import Reading
from cytopipe.data.imaging.channels import Layers, is_tiff, layers_of, of_channels, picked_values
from cytopipe.data.imaging.depth import Kind, deep_values, kind_of, kind_of_values
from cytopipe.data.imaging.opening import MOST_PIXELS, opened, refuse_bombs
from cytopipe.data.imaging.pixel_size import pixel_size_of_text, pixel_size_um
from cytopipe.errors import CytopipeError

PREPARED = "cytopipe-pixels"  # key of the text in PNG files whose range, channels or page were chosen already
_WIDTH, _HEIGHT, _PHOTOMETRIC, _ORIENTATION = 256, 257, 262, 274  # tags of TIFF
_PLANAR, _SAMPLE_FORMAT, _BITS, _SAMPLES = 284, 339, 258, 277


@dataclass(slots=True)
class Native:
    """An image file as it is.

    Attributes:
        kind: "8-bit" or what is deeper.
        image: an 8-bit image, upright; None of a deep one.
        values: of a deep image, upright, H x W or H x W x 2 to 4; None of an 8-bit one.
        white_is_zero: whether larger values are darker.
        turned: whether its EXIF orientation turned it.
        prepared: whether its range, channels or page were chosen already.
        pixel_size_um: side of a pixel in micrometres, if the file says it.
        notes: what else became of it.
    """

    kind: Kind
    image: Image.Image | None = None
    values: np.ndarray | None = None
    white_is_zero: bool = False
    turned: bool = False
    prepared: bool = False
    pixel_size_um: float | None = None
    notes: tuple[str, ...] = ()


def read_native(path: Path, reading: Reading) -> Native:
    """Decode an image file wholly.

    Raises:
        CytopipeError: as `decode.read_image`, but for what the range says.
    """
    if is_special(path):
        try:
            return _of_layers(path, layers_of(path), reading)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # what damaged headers end in
            raise CytopipeError(f"the image cannot be decoded ({error})", where=path, hint="replace the file") from None
    with opened(path) as image:
        refuse_bombs(image, path)
        prepared = image.format == "PNG" and PREPARED in image.info
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and (reading.page is None or reading.page >= frames):
            raise CytopipeError(
                f"the file holds {frames} frames, not one image", where=path, hint="options.page: 0 takes the first"
            )
        if frames > 1:
            image.seek(reading.page or 0)
        kind = kind_of(image, path)  # first, because the header is gone once the EXIF of a PNG was read
        tile = str(getattr(image, "tile", ""))
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        turned = orientation in range(2, 9)
        tags = getattr(image, "tag_v2", {})
        size_um = pixel_size_um(tags, path) or pixel_size_of_text(getattr(image, "text", {}))
        found = Native(kind, turned=turned, prepared=prepared, pixel_size_um=size_um)
        if found.kind == "8-bit":
            found.image = ImageOps.exif_transpose(image)
            found.image.load()
        else:
            found.values = upright(deep_values(image, path, tile), orientation)
            found.white_is_zero = _one(tags.get(_PHOTOMETRIC, 1)) == 0
        return found if prepared or reading.channels is None else _picked(found, reading.channels, path)


def kind_in_header(path: Path, reading: Reading) -> Kind:
    """The kind of a file's values, mostly by its header alone.

    Raises:
        CytopipeError: the file cannot be read.
    """
    if is_special(path):
        return read_native(path, reading).kind
    with opened(path) as image:
        return kind_of(image, path)


def _picked(found: Native, channels: tuple[int, ...], path: Path) -> Native:
    """Channels of a plain image."""
    if found.image is not None:
        wide = found.image.convert("RGB") if found.image.mode not in ("L", "1") else found.image.convert("L")
        found.image = Image.fromarray(np.ascontiguousarray(of_channels(np.asarray(wide), channels, path)))
    elif found.values is not None:
        found.values = of_channels(found.values, channels, path)
    return found


def is_special(path: Path) -> bool:
    """Whether a file is a TIFF that PIL does not open, or of which it gives one page or wrong values."""
    try:
        if not path.is_file() or path.stat().st_size == 0 or not is_tiff(path):
            return False
    except OSError:
        return False
    try:
        with opened(path) as image:
            tags = getattr(image, "tag_v2", {})
            samples, bits = _one(tags.get(_SAMPLES, 1)), _one(tags.get(_BITS, 1))
            many = getattr(image, "n_frames", 1) > 1 or "images=" in str(tags.get(270, ""))
            odd = samples == 2 or samples > 4 or (samples == 4 and _one(tags.get(_PHOTOMETRIC, 1)) < 2)
            signed = bits == 8 and _one(tags.get(_SAMPLE_FORMAT, 1)) == 2
            return many or odd or signed or (bits > 8 and samples > 1)
    except CytopipeError as error:
        return "not an image" in error.what


def _of_layers(path: Path, layers: Layers, reading: Reading) -> Native:
    tags = layers.tags
    if int(tags.get(_WIDTH, 0)) * int(tags.get(_HEIGHT, 0)) > MOST_PIXELS:
        with opened(path) as image:
            refuse_bombs(image, path)
    values = picked_values(path, layers, reading)
    if values.ndim not in (2, 3) or not values.size:
        raise ValueError(f"values of the shape {values.shape}")
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * 255
    orientation = _one(tags.get(_ORIENTATION, 1))
    values = upright(np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="))), orientation)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise CytopipeError("some values are no numbers (NaN or infinite)", where=path, hint="replace them")
    kind = kind_of_values(values)
    found = Native(kind, turned=orientation in range(2, 9), pixel_size_um=pixel_size_um(tags, path))
    if layers.pages > 1 or not layers.is_image:
        found.notes = (_said(reading),)
    if kind == "8-bit" and (values.ndim == 2 or values.shape[2] in (2, 3, 4)):
        found.image = Image.fromarray(values)
    else:
        found.values = values
    return found


def _said(reading: Reading) -> str:
    if reading.channels is None:
        return f"page {reading.page} taken"
    of_page = "" if reading.page is None else f" of page {reading.page}"
    return f"channels {', '.join(map(str, reading.channels))}{of_page} taken"


def upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """Turn values, H x W or H x W x C, as their EXIF orientation (1 to 8) says."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return np.ascontiguousarray(values)


def _one(value: object) -> int:
    """A tag's number, or the first of several."""
    first = value[0] if isinstance(value, tuple) and value else value
    return int(first) if isinstance(first, int | float) else 0
