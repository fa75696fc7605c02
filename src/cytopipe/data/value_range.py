"""The one range of values that becomes 0 to 255 in all images of a dataset, found from all of them.

`options.range: auto` looks at the values of every image, and at no label. High is the largest value of any image, when
of each image the largest thousandth of its values (at least one) is left out: hot pixels set no range. Integers get
the bit depth that this value needs: 0 to 1023, to 4095, ... Where the values span less than a quarter of that, low and
high are the smallest and largest value themselves, so that at least 64 grey levels remain. Fractions get 0 to 1 by the
same rule.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cytopipe.core.io.workers import ordered_map
from cytopipe.core.params import FULL, Reading
from cytopipe.data.imaging.depth import Kind
from cytopipe.data.imaging.native import kind_in_header, read_native
from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")
Asked = Literal["auto", "full"] | tuple[float, float]
LEFT_OUT = 1000  # one in so many values of an image is no part of its range, at either end
LEAST_SPAN = 0.25  # of a bit depth
CHUNK = 16  # images that a process takes at a time
_DARK = 1 / 16  # of the range: images whose usual maximum is below keep fewer than 16 grey levels


@dataclass(frozen=True, slots=True)
class Spread:
    """Values of one image.

    Attributes:
        kind: what they are.
        low, high: without the smallest and largest thousandth; None of an 8-bit image.
        least, most: of all values.
    """

    kind: Kind
    low: float = 0.0
    high: float = 255.0
    least: float = 0.0
    most: float = 255.0


def dataset_reading(
    paths: Sequence[Path], asked: Asked, reading: Reading, key: str, workers: int = 1
) -> tuple[Reading, dict[Kind, int]]:
    """How the images of a dataset are read: `reading` with the one range of all deep images; what is found is logged.

    Args:
        paths: of all images.
        asked: `options.range`.
        reading: the other options.
        key: of the options, for errors.
        workers: number of processes.

    Returns:
        The reading, whose range is None if all images have 8 bits, and the number of images of each kind.

    Raises:
        CytopipeError: images of several kinds that no one range fits.
    """
    looks = _looked_at(partial(_look, reading, asked == "auto"), paths, workers)
    found = [(path, spread) for path, spread in zip(paths, looks, strict=True) if spread is not None]
    firsts: dict[Kind, Path] = {}
    counts: dict[Kind, int] = {}
    for path, spread in found:
        firsts.setdefault(spread.kind, path)
        counts[spread.kind] = counts.get(spread.kind, 0) + 1
    deep = [spread for _, spread in found if spread.kind != "8-bit"]
    if not deep:
        if isinstance(asked, tuple):
            logger.warning("%s.range: no image has more than 8 bits, so that it has no effect", key)
        return reading, counts
    low_high = asked if isinstance(asked, tuple) else FULL if asked == "full" else choose_range(deep)
    _check_kinds(firsts, counts, low_high, asked, key)
    _say(deep, low_high, asked, key)
    return reading.model_copy(update={"range": low_high}), counts


def choose_range(spreads: Iterable[Spread]) -> tuple[float, float]:
    """The range for images of these values; see the module."""
    spreads = list(spreads)
    low, high = min(spread.low for spread in spreads), max(spread.high for spread in spreads)
    if high <= low:  # every image is of one value
        low, high = min(spread.least for spread in spreads), max(spread.most for spread in spreads)
    fractions = any(spread.kind == "float" for spread in spreads)
    whole = (
        1.0 if fractions and high <= 1 else float(2 ** max(8, math.ceil(math.log2(high + 1))) - 1) if high > 0 else 0
    )
    if low >= 0 and whole and (high - low >= LEAST_SPAN * whole or high == low):
        return 0.0, whole
    return low, high if high > low else low + 1


def spread_of(values: np.ndarray, kind: Kind) -> Spread:
    """The values of an image in numbers."""
    flat = values.reshape(-1)
    drop = max(1, len(flat) // LEFT_OUT) if len(flat) > 2 else 0
    order = np.partition(flat, [drop, len(flat) - 1 - drop])
    ends = (float(order[drop]), float(order[len(flat) - 1 - drop]))
    return Spread(kind, *ends, float(flat.min()), float(flat.max()))


def _looked_at(look: Callable[[Path], Spread | None], paths: Sequence[Path], workers: int) -> list[Spread | None]:
    with closing(ordered_map(look, paths, workers, CHUNK)) as results:
        return list(results)


def _look(reading: Reading, values: bool, path: Path) -> Spread | None:
    """The spread of an image; None of a file that cannot be read, which `organize` says when it comes to it."""
    try:
        kind = kind_in_header(path, reading)
        if kind == "8-bit" or not values:
            return Spread(kind)
        native = read_native(path, reading)
        found = native.values
        if found is None:
            return Spread("8-bit")
        if found.ndim == 3 and found.shape[2] in (2, 4):
            found = found[..., :-1]  # without alpha
        return spread_of(found, native.kind)
    except CytopipeError:
        return None


def _check_kinds(
    firsts: dict[Kind, Path], counts: dict[Kind, int], low_high: tuple[float, float], asked: Asked, key: str
) -> None:
    """Refuse images of several kinds that no one range fits.

    Among 8-bit images, deep ones are accepted if they fill 16 bits, or if a range is given: what they become is then on
    the scale of the 8-bit ones, which stay as they are.
    """
    odd: Kind | None = "float" if "float" in firsts else "32-bit" if "32-bit" in firsts else None
    if asked == "full" and odd:
        raise CytopipeError(
            f"{counts[odd]} images have {odd} values, which have no full range, first {firsts[odd].name}",
            where=f"{key}.range",
            hint="set it to auto or to [low, high]",
        )
    whole = set(firsts) <= {"16-bit", "32-bit"}
    if len(firsts) == 1 or whole or asked != "auto" or (odd is None and low_high == FULL):
        if "8-bit" in firsts and len(firsts) > 1:
            logger.info(
                "%d images have 8 bits, first %s: they are taken as scaled already, and stay as they are",
                *(counts["8-bit"], firsts["8-bit"].name),
            )
        return
    listed = "; ".join(f"{counts[kind]} have {kind} values, first {firsts[kind].name}" for kind in sorted(firsts))
    raise CytopipeError(
        f"the images are not of one kind: {listed}; the deep ones hold values of {low_high[0]:g} to {low_high[1]:g}, "
        "and how they fit the others is not known",
        where=f"{key}.range",
        hint="give images of one kind; or set it to the [low, high] by which the 8-bit images were made of such "
        "values: they then stay as they are",
    )


def _say(deep: Sequence[Spread], low_high: tuple[float, float], asked: Asked, key: str) -> None:
    low, high = low_high
    what = f"{len(deep)} images have {' and '.join(sorted({spread.kind for spread in deep}))} values"
    if asked != "auto":
        logger.info("%s; %s.range: %g to %g becomes 0 to 255", what, key, low, high)
        return
    least, most = min(spread.least for spread in deep), max(spread.most for spread in deep)
    logger.info(
        "%s, %g to %g; %g to %g becomes 0 to 255 in all of them (%s.range: auto)", what, least, most, low, high, key
    )
    usual = float(np.median([spread.high for spread in deep]))
    if (usual - low) < _DARK * (high - low):
        logger.warning(
            "%s.range: the brightest value of half the images is %g or less, so that they keep fewer than 16 grey "
            "levels of the range %g to %g; set [low, high] if a few images are of another camera",
            *(key, usual, low, high),
        )


def reading_summary(reading: Reading) -> dict[str, Any]:
    """What summary.json says of a reading; of its keys, those that differ from the plainest."""
    values = reading.model_dump(mode="json", include={"range", "alpha", "channels", "page"}, exclude_defaults=True)
    return dict(values)
