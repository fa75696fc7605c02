"""The side of a pixel in micrometres, where a TIFF says it: OME metadata, a description, or the resolution."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger("cytopipe")
PIXEL_SIZE = "pixel_size_um"  # key of the text in PNG files
DESCRIPTION, X_RESOLUTION, Y_RESOLUTION, UNIT = 270, 282, 283, 296  # tags of TIFF
# Scanners and drawing programs write 72 to 2400 dots per inch, which is the size on paper; a microscope's pixels are
# smaller than this.
LARGEST_UM = 10.0
_UM_OF_UNIT = {2: 25_400.0, 3: 10_000.0}  # inch, centimetre
_UM_OF_NAME = {
    "um": 1.0, "µm": 1.0, "μm": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0,
    "nm": 1e-3, "nanometer": 1e-3, "mm": 1e3, "millimeter": 1e3, "cm": 1e4, "inch": 25_400.0, "m": 1e6,
}  # fmt: skip


def pixel_size_um(tags: Mapping[int, Any], path: Path) -> float | None:
    """The side of a pixel in micrometres, to six digits; None where the file does not say it.

    A resolution of more than LARGEST_UM is the size on paper, and is not used. Pixels that are not square have no
    one side; that is logged.

    Args:
        tags: of the TIFF's first page, by number.
        path: the file, for the log.
    """
    description = str(tags.get(DESCRIPTION, ""))
    sides = _of_ome(description) or _of_aperio(description) or _of_resolution(tags, description)
    if sides is None or not all(math.isfinite(side) and 0 < side <= LARGEST_UM for side in sides):
        return None
    across, down = sides
    if abs(across - down) > 0.01 * across:
        logger.warning("%s: its pixels are %g x %g micrometres, not square: their size is not used", path, *sides)
        return None
    return float(f"{across:.6g}")


def pixel_size_of_text(text: Mapping[str, Any]) -> float | None:
    """The side of a pixel in micrometres as a PNG of `encode_png` notes it; None where it does not."""
    try:
        size = float(text[PIXEL_SIZE])
    except (KeyError, ValueError):
        return None
    return size if math.isfinite(size) and size > 0 else None


def _of_ome(description: str) -> tuple[float, float] | None:
    if "<OME" not in description:
        return None
    across, down = (_length(description, axis) for axis in "XY")
    return (across, down) if across and down else None


def _of_aperio(description: str) -> tuple[float, float] | None:
    found = re.search(r"\|MPP\s*=\s*([0-9.]+)", description) if description.startswith("Aperio") else None
    try:
        return (float(found[1]),) * 2 if found else None
    except ValueError:
        return None


def _length(description: str, axis: str) -> float | None:
    value = re.search(rf'PhysicalSize{axis}="([^"]+)"', description)
    unit = re.search(rf'PhysicalSize{axis}Unit="([^"]+)"', description)
    try:
        return float(value[1] if value else "") * _UM_OF_NAME[_unit_name(unit[1] if unit else "um")]
    except (ValueError, KeyError):
        return None


def _of_resolution(tags: Mapping[int, Any], description: str) -> tuple[float, float] | None:
    try:
        if description.startswith("ImageJ="):
            found = re.search(r"^unit=(.+)$", description, re.MULTILINE)
            unit = _UM_OF_NAME.get(_unit_name(found[1].strip()) if found else "", 0.0)
        else:
            unit = _UM_OF_UNIT.get(int(tags.get(UNIT, 2)), 0.0)
        return unit / _ratio(tags[X_RESOLUTION]), unit / _ratio(tags[Y_RESOLUTION])
    except (LookupError, ZeroDivisionError, ValueError, TypeError):  # absent, or damaged
        return None


def _ratio(value: Any) -> float:
    """A rational of PIL (a number) or of tifffile (a pair)."""
    return value[0] / value[1] if isinstance(value, tuple) else float(value)


def _unit_name(name: str) -> str:
    """A unit as `_UM_OF_NAME` spells it.

    The micro sign comes as UTF-8 read as Latin-1 (by PIL), or escaped (by ImageJ).
    """
    for written, meant in (("Âµ", "µ"), ("Î¼", "µ"), ("\\u00B5", "µ"), ("\\u00b5", "µ")):
        name = name.replace(written, meant)
    return name
