"""Values of files in the words of a dossier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cytopipe.report.render import count, limits, number, plain
from cytopipe.results.numbers import Estimate, Interval

NONE = "none"
_ESTIMATE = frozenset(Estimate.model_fields)


def shown(value: Any) -> str:
    """A value of a file as text: numbers with their interval or the reason why there is none, lists by commas."""
    if value is None or value == [] or value == () or value == {}:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    if isinstance(value, Mapping):
        return estimate(value) if "value" in value and _ESTIMATE.issuperset(value) else pairs(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    return plain(value)


def pairs(value: Mapping[str, Any]) -> str:
    """A mapping as text, with inner ones in parentheses."""
    return ", ".join(
        f"{name}: ({shown(inner)})" if isinstance(inner, Mapping) else f"{name}: {shown(inner)}"
        for name, inner in value.items()
    )


def estimate(value: Mapping[str, Any], digits: int = 3) -> str:
    """A number as details.json holds it, with its interval or the reason why it has none."""
    found = Estimate.model_validate(value)
    if found.value is None:
        return "not defined"
    if found.low is None:
        why = (found.withheld or "").removeprefix("none: ")
        return f"{number(found.value, digits)} (no interval{': ' + why if why else ''})"
    return f"{number(found.value, digits)} ({limits(found, digits)})"


def difference(value: float, interval: Mapping[str, float] | None) -> str:
    """A difference with its sign, and its interval where it has one."""
    text = f"{value:+.3f}".replace("-", "−")
    return f"{text} ({limits(Interval.model_validate(interval))})" if interval else f"{text} (no interval)"


def of_classes(value: Mapping[str, int]) -> str:
    """Numbers of images by class, with their sum."""
    total = sum(value.values())
    return f"{count(total)}: " + ", ".join(f"{name} {count(images)}" for name, images in value.items())
