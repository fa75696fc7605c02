"""Values of attributes, such as the site and the age: what is missing, numbers and their bins, and the order."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

UNKNOWN = "unknown"  # the value of an attribute that is missing
GROUP = "group"  # in split.leave_out: each group is a site of its own
_BEGIN = re.compile(r"(\S+) (?:to under \S+|and over)")


def number_of(text: str) -> float | None:
    """A value as a finite number, whatever its decimal sign; None if it is none."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def bin_of(value: str, limits: Sequence[float]) -> str:
    """The name of the bin that a number lies in; a bin holds its lower limit.

    >>> ", ".join(bin_of(age, (40, 60)) for age in ("39.5", "40", "60", "unknown"))
    'under 40, 40 to under 60, 60 and over, unknown'
    """
    number = number_of(value)
    if number is None or not limits:
        return value if number is None else "a number"
    above = [limit for limit in limits if limit <= number]
    below = [limit for limit in limits if limit > number]
    if not above:
        return f"under {below[0]:g}"
    return f"{above[-1]:g} to under {below[0]:g}" if below else f"{above[-1]:g} and over"


def in_order(values: Iterable[str]) -> list[str]:
    """Values of an attribute: bins and numbers from the lowest, other values by name, UNKNOWN last."""

    def key(value: str) -> tuple[bool, bool, float, str]:
        if value.startswith("under ") and number_of(value[6:]) is not None:
            return False, False, -math.inf, value
        match = _BEGIN.fullmatch(value)
        number = number_of(match[1] if match else value)
        return value == UNKNOWN, number is None, number or 0.0, value

    return sorted(set(values), key=key)
