"""Cells cropped from fields of any size: a small field is decoded once for all its cells, a large one by regions."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from cytopipe.core.params import Reading
from cytopipe.data.imaging.boxes import Box
from cytopipe.data.imaging.decode import Decoded, read_image
from cytopipe.data.imaging.fields import WHOLE, Field, open_field
from cytopipe.data.imaging.opening import opened


def read_crop(path: Path, box: Box, reading: Reading) -> Decoded:
    """A part of an image file, as `decode.read_image` decodes the whole.

    One field is kept per process, so that the cells of a field should be read one after the other.

    Args:
        path: the file.
        box: left, top, right and bottom within the upright image, pixels, the last two exclusive.
        reading: how it is read.

    Raises:
        CytopipeError: as `decode.read_image`, but files of any size are read.
    """
    left, top, right, bottom = box
    if not _is_large(path):
        whole = _decoded(path, reading)
        return replace(whole, rgb=whole.rgb[top:bottom, left:right].copy())
    field = _opened(path, reading)
    return Decoded(field.read(top, left, bottom - top, right - left), None, pixel_size_um=field.pixel_size_um)


@lru_cache(maxsize=256)
def _is_large(path: Path) -> bool:
    with opened(path) as image:
        return image.width * image.height > WHOLE


@lru_cache(maxsize=1)
def _decoded(path: Path, reading: Reading) -> Decoded:
    return read_image(path, reading)


@dataclass
class _Kept:
    """The large field that is open in this process."""

    what: tuple[Path, Reading] | None = None
    field: Field | None = None
    stack: ExitStack | None = None


_KEPT = _Kept()


def _opened(path: Path, reading: Reading) -> Field:
    if _KEPT.what != (path, reading) or _KEPT.field is None:
        if _KEPT.stack is not None:
            _KEPT.stack.close()
        _KEPT.what, _KEPT.field, _KEPT.stack = None, None, ExitStack()
        _KEPT.field = _KEPT.stack.enter_context(open_field(path, reading))
        _KEPT.what = path, reading
    return _KEPT.field
