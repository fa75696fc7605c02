"""The values of an image file as they are, upright, before any range turns them into 8 bits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from cytopipe.core.params import Reading
from cytopipe.data.imaging.channels import Layers, is_tiff, layers_of, of_channels, picked_values
from cytopipe.data.imaging.depth import Kind, deep_values, kind_of, kind_of_values
from cytopipe.data.imaging.frames import select_frame
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
        selected: which of several pictures of the file it is, in words.
    """

    kind: Kind
    image: Image.Image | None = None
    values: np.ndarray | None = None
    white_is_zero: bool = False
    turned: bool = False
    prepared: bool = False
    pixel_size_um: float | None = None
    notes: tuple[str, ...] = ()
    selected: str | None = None


def read_native(path: Path, reading: Reading) -> Native:
    """Decode an image file wholly.

    Raises:
        CytopipeError: as `decode.read_image`, but for what the range says.
    """
    if is_special(path):
        try:
            layers = layers_of(path)
            if layers.pages > 1 and layers.is_image and reading.page is None and reading.channels is None:
                reading = reading.model_copy(update={"page": full_resolution(path)})
            return _of_layers(path, layers, reading)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # what damaged headers end in
            raise CytopipeError(f"the image cannot be decoded ({error})", where=path, hint="replace the file") from None
    with opened(path) as image:
        refuse_bombs(image, path)
        prepared = image.format == "PNG" and PREPARED in image.info
        frames = getattr(image, "n_frames", 1)
        if reading.page is not None and reading.page >= frames and not prepared:
            raise CytopipeError(
                f"there is no page {reading.page}: the file holds {frames}, counted from 0",
                where=path,
                hint="correct options.page",
            )
        if reading.page is None or prepared:
            selected = select_frame(image, path)
            refuse_bombs(image, path)
        else:
            selected = f"page {reading.page} taken" if frames > 1 else None
            image.seek(reading.page)
        kind = kind_of(image, path)  # first, because the header is gone once the EXIF of a PNG was read
        tile = str(getattr(image, "tile", ""))
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        turned = orientation in range(2, 9)
        tags = getattr(image, "tag_v2", {})
        found = Native(kind, turned=turned, prepared=prepared, selected=selected)
        found.pixel_size_um = pixel_size_um(tags, path) or pixel_size_of_text(getattr(image, "text", {}))
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
        if reading.page is None:
            select_frame(image, path)
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
            many = "images=" in str(getattr(image, "tag_v2", {}).get(270, "")) or not _one_picture(image, path)
            tags = getattr(image, "tag_v2", {})  # of the page in full resolution
            samples, bits = _one(tags.get(_SAMPLES, 1)), _one(tags.get(_BITS, 1))
            odd = samples == 2 or samples > 4 or (samples == 4 and _one(tags.get(_PHOTOMETRIC, 1)) < 2)
            signed = bits == 8 and _one(tags.get(_SAMPLE_FORMAT, 1)) == 2
            return many or odd or signed or (bits > 8 and samples > 1)
    except CytopipeError as error:
        return "not an image" in error.what


def _one_picture(image: Image.Image, path: Path) -> bool:
    """Whether the pages of an opened TIFF are versions of one picture; it moves to the full one."""
    try:
        select_frame(image, path)
    except CytopipeError:
        return False
    return True


def full_resolution(path: Path) -> int | None:
    """The page of a TIFF of which all others are smaller versions; None if there is none."""
    try:
        with opened(path) as image:
            stacked = "images=" in str(getattr(image, "tag_v2", {}).get(270, ""))  # ImageJ, which may list one page
            return image.tell() if not stacked and _one_picture(image, path) else None
    except CytopipeError:
        return None


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
