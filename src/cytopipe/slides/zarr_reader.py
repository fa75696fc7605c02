"""OME-Zarr (NGFF 0.1 to 0.5) by zarr: a folder with the levels of an image as arrays.

https://ngff.openmicroscopy.org
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from cytopipe.core.params import Reading
from cytopipe.errors import CytopipeError
from cytopipe.slides.pixels import planes_of, region_values, to_rgb
from cytopipe.slides.slide import Level, check_block, damaged, levels_of

_FORMER_AXES = "TCZYX"  # of versions before 0.3, which do not name them
_UM = {"micrometer": 1.0, "micrometre": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "meter": 1e6, "angstrom": 1e-4}


class ZarrSlide:
    """The first image of an OME-Zarr; see `Slide`.

    Args:
        path: the folder.
        reading: how its values become 8-bit RGB.

    Raises:
        CytopipeError: it is no OME-Zarr, or a level that it lists is missing or damaged.
    """

    def __init__(self, path: Path, reading: Reading) -> None:
        self.path, self._reading = path, reading
        try:
            group = zarr.open_group(path, mode="r")
            image = _multiscale(group) or _multiscale(group["0"])  # bioformats2raw numbers its images
        except Exception as error:  # of zarr, whose readers of damaged files raise what they like
            raise damaged(path, error, "name the folder of an OME-Zarr image, with its multiscales") from None
        if image is None or not isinstance(image[1], Mapping) or not image[1].get("datasets"):
            raise damaged(path, "it has no multiscales", "name the folder of an OME-Zarr image")
        home, found = image
        try:
            axes = list(found.get("axes") or _FORMER_AXES)
            names = [str(axis["name"] if isinstance(axis, dict) else axis).upper() for axis in axes]
            self._axes = "".join(name[:1] for name in names)
            self._arrays = [_array(home, entry, number, path) for number, entry in enumerate(found["datasets"])]
            if any(array.ndim != len(self._axes) for array in self._arrays) or not {"Y", "X"} <= set(self._axes):
                raise damaged(path, f"its axes {', '.join(names)} are not those of its arrays")
            self.mpp = _mpp_of(found, axes, self._axes)
        except CytopipeError:
            raise
        except Exception as error:  # its metadata may hold anything in any place
            raise damaged(path, f"its multiscales are not as NGFF says: {type(error).__name__}: {error}") from None
        sizes = [dict(zip(self._axes, array.shape, strict=True)) for array in self._arrays]
        self.levels: Sequence[Level] = levels_of(((size["Y"], size["X"]) for size in sizes), path)
        self.planes = planes_of(sizes[0])
        for array in self._arrays:
            check_block(math.prod(array.chunks) * array.dtype.itemsize, path)

    def read_region(self, level: int, top: int, left: int, height: int, width: int, plane: int = 0) -> np.ndarray:
        """See `Slide.read_region`."""
        rows, columns = slice(top, top + height), slice(left, left + width)
        try:
            values = region_values(self._arrays[level], self._axes, rows, columns, plane, self.path)
        except CytopipeError:
            raise
        except Exception as error:  # of zarr or a codec
            raise damaged(self.path, error) from None
        return to_rgb(values, self._reading, self.path)

    def close(self) -> None:
        """See `Slide.close`; a zarr keeps no file open."""


def _multiscale(group: Any) -> tuple[Any, Mapping[str, Any]] | None:
    attributes = dict(group.attrs)
    scales = attributes.get("ome", attributes).get("multiscales")
    return (group, scales[0]) if scales else None


def _array(group: Any, entry: Mapping[str, Any], number: int, path: Path) -> Any:
    try:
        array = group[str(entry["path"])]
    except Exception as error:
        reason = f"'{entry.get('path')}'" if isinstance(error, KeyError | FileNotFoundError) else str(error)
        raise CytopipeError(
            f"level {number} of the pyramid is missing or damaged: {reason}", where=path, hint="copy the folder again"
        ) from None
    if not hasattr(array, "shape"):
        raise CytopipeError(f"level {number} of the pyramid is no array", where=path, hint="copy the folder again")
    return array


def _mpp_of(image: Mapping[str, Any], axes: list[Any], letters: str) -> float | None:
    """Micrometres of a pixel of the first level: the product of its scales, where the axes have a unit of length."""
    sides = []
    for letter in "YX":
        place = letters.index(letter)
        unit = axes[place].get("unit") if isinstance(axes[place], dict) else None
        if unit not in _UM:
            return None
        side, scaled = _UM[unit], False
        for transform in (
            *image["datasets"][0].get("coordinateTransformations", ()),
            *image.get("coordinateTransformations", ()),
        ):
            if transform.get("type") == "scale":
                if "scale" not in transform:  # it is in a binary file, whose format NGFF leaves open
                    return None
                side, scaled = side * float(transform["scale"][place]), True
        if not scaled or not math.isfinite(side) or side <= 0:
            return None
        sides.append(side)
    return sides[1] if abs(sides[0] - sides[1]) <= 0.02 * sides[1] else None
