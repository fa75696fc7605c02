"""Jinja environments: one that escapes everything for HTML, one that escapes names for Markdown."""

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
    """Fill a template of HTML; every value is escaped."""
    return _environment(escape=True).get_template(template).render(**content)


def card(template: str, **content: Any) -> str:
    """Fill a template of Markdown; names go through the filter `md`. Runs of empty lines become one."""
    text = _environment(escape=False).get_template(template).render(**content)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def number(value: float | None, digits: int = 3) -> str:
    """A number with this many decimals; a dash where there is none."""
    return _NONE if value is None else f"{value:.{digits}f}".replace("-", "−")


def signed(value: float | None, digits: int = 3) -> str:
    """A difference with its sign."""
    return _NONE if value is None else f"{value:+.{digits}f}".replace("-", "−")


def limits(value: Estimate | Interval | None, digits: int = 3) -> str:
    """The interval of an estimate: 0.812 to 0.897."""
    if value is None or value.low is None:
        return _NONE
    return f"{number(value.low, digits)} to {number(value.high, digits)}"


def measure(estimate: Estimate, metric: Metric) -> str:
    """The value of a metric, in its own form."""
    return (signed if metric.signed else number)(estimate.value, metric.digits)


def sentence(text: str) -> str:
    """A title with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def percent(value: float | None, digits: int = 0) -> str:
    """A share as per cent."""
    return _NONE if value is None else f"{value:.{digits}%}".replace("%", " %")


def count(value: float) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def plain(value: Any) -> str:
    """A number of unknown kind, as short as it can be without loss for a reader."""
    if value is None:
        return _NONE
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.3g}"
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def markdown_name(value: object) -> str:
    """A name inside Markdown: what would be markup or HTML is shown as it stands, on one line."""
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
        "percent": percent,
        "count": count,
        "plain": plain,
        "md": markdown_name,
        "measure": measure,
        "sentence": sentence,
    }
    environment.globals["source"] = lambda name: Markup((TEMPLATES / name).read_text(encoding="utf-8"))
    return environment
