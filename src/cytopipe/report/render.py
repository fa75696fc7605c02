"""Jinja environments for HTML, which escapes every value, and Markdown, and filters for numbers and names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cytopipe.metrics.registry import Metric
from cytopipe.results.numbers import Estimate, Interval

TEMPLATES = Path(__file__).parent / "templates"
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~$&])")
_NONE = "–"


def page(template: str, **content: Any) -> str:
    """Render an HTML template; every value is escaped."""
    return _environment(escape=True).get_template(template).render(**content)


def card(template: str, **content: Any) -> str:
    """Render a Markdown template; names must go through the filter `md`. Consecutive empty lines are merged."""
    text = _environment(escape=False).get_template(template).render(**content)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def number(value: float | None, digits: int = 3) -> str:
    """Format a number with this many decimals; a dash for None."""
    return _NONE if value is None else f"{value:.{digits}f}".replace("-", "−")


def signed(value: float | None, digits: int = 3) -> str:
    """Format a difference with its sign; a dash for None."""
    return _NONE if value is None else f"{value:+.{digits}f}".replace("-", "−")


def limits(value: Estimate | Interval | None, digits: int = 3) -> str:
    """Format an interval, such as 0.812 to 0.897; a dash if there is none."""
    if value is None or value.low is None:
        return _NONE
    return f"{number(value.low, digits)} to {number(value.high, digits)}"


def interval(value: Estimate, digits: int = 3) -> str:
    """Format an interval, or the reason in words why a number has none; a dash for a number that is not defined."""
    if value.low is None and value.withheld and value.value is not None:
        return value.withheld if value.withheld.startswith("none") else f"none: {value.withheld}"
    return limits(value, digits)


def measure(estimate: Estimate, metric: Metric) -> str:
    """Format the value of a metric with its decimals and sign."""
    return (signed if metric.signed else number)(estimate.value, metric.digits)


def sentence(text: str) -> str:
    """Capitalise the first letter of a title."""
    return text[:1].upper() + text[1:]


def percent(value: float | None, digits: int = 0) -> str:
    """Format a share in per cent; a dash for None."""
    return _NONE if value is None else f"{value:.{digits}%}".replace("%", " %")


def count(value: float) -> str:
    """Format an integer with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def plain(value: Any) -> str:
    """Format a value: a fraction with three significant digits, a dash for None, anything else as text."""
    if value is None:
        return _NONE
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.3g}"
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def markdown_name(value: object) -> str:
    """Escape a name for Markdown: markup and HTML are shown literally, on one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(str(value).split()))


def _environment(escape: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": number,
        "signed": signed,
        "limits": limits,
        "interval": interval,
        "percent": percent,
        "count": count,
        "plain": plain,
        "md": markdown_name,
        "measure": measure,
        "sentence": sentence,
    }
    environment.globals["source"] = lambda name: Markup((TEMPLATES / name).read_text(encoding="utf-8"))
    return environment
