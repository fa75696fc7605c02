"""What every writer of phantoms is asked for, checked; and how it reports and splits what it draws."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from cytopipe.errors import CytopipeError
from cytopipe_phantoms.spec import Phantom, read_spec

Report = Callable[[int, int], None]
SCALES = (0.05, 2.0)  # below, cells shrink to points


def check_request(*, seed: int, fields_per_class: int, cells_per_field: int, scale: float) -> None:
    """Refuses numbers that no writer can draw.

    Raises:
        CytopipeError: an argument is out of range; the message names it.
    """
    for name, value, least in (
        ("seed", seed, 0),
        ("fields_per_class", fields_per_class, 1),
        ("cells_per_field", cells_per_field, 1),
    ):
        if value < least:
            raise CytopipeError(f"{name} must be at least {least}, not {value}", where=name)
    if not SCALES[0] <= scale <= SCALES[1]:
        text = f"scale must be from {SCALES[0]} to {SCALES[1]}, not {scale}"
        raise CytopipeError(text, where="scale", hint="1.0 gives full-size fields, 0.25 a quarter of their width")


def read_classes(spec: Path, names: Iterable[str]) -> Phantom:
    """Reads the biology table of a layout whose classes are fixed.

    Raises:
        CytopipeError: as `read_spec`; or the table's classes are not `names`, in that order.
    """
    phantom = read_spec(spec)
    check_classes(phantom.classes, names, spec)
    return phantom


def check_classes(found: Iterable[str], names: Iterable[str], spec: Path) -> None:
    """Refuses the table `spec` if its classes, `found`, are not `names`, in that order.

    Raises:
        CytopipeError: they are not.
    """
    found, wanted = list(found), list(names)
    if found != wanted:
        raise CytopipeError(
            f"this layout has the classes {', '.join(wanted)}; the table has {', '.join(found)}",
            where=f"{spec}: classes",
            hint="name the layout's own table in the source's path",
        )


def draw_count(mean: int, spread: int, rng: np.random.Generator) -> int:
    """How many cells a group holds: `mean` give or take up to `spread`, at least 1."""
    spread = min(spread, mean - 1)
    return mean + int(rng.integers(-spread, spread + 1))


def split_of(number: int) -> str:
    """The publisher's folder of the image of this number (from 1): each fifth is for validation, whatever its slide.

    The published 80/20 splits of this kind are of single images, so that they tear slides; so does the phantom's.
    """
    return "validation" if number % 5 == 0 else "train"
