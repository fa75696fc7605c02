"""`cytopipe datasets`: the dataset adapters with their layouts and options."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cytopipe.cli.common import AsJson, Debug, clear_errors, print_json

if TYPE_CHECKING:
    from cytopipe.adapters.base import Adapter


def command(as_json: AsJson = False, debug: Debug = False) -> None:
    """List the dataset adapters and their options.

    Their names go into datasets.*.adapter of params.yaml, their options into datasets.*.options.

    \b
    Examples:
      cytopipe datasets
      cytopipe datasets --json
    """
    from cytopipe.adapters.registry import ADAPTERS

    with clear_errors(debug):
        rows = [describe(ADAPTERS[name]) for name in sorted(ADAPTERS)]
        if as_json:
            print_json(rows)
        else:
            print("\n\n".join(_text(row) for row in rows))


def describe(adapter: Adapter) -> dict[str, Any]:
    """Describe an adapter in JSON types."""
    from pydantic_core import to_jsonable_python

    fields = adapter.options.model_fields.items()
    return {
        "name": adapter.name,
        "title": adapter.title,
        "classes": list(adapter.classes),
        "group_key": adapter.group_key,
        "published_split": adapter.published_split,
        "layout": adapter.layout,
        "home": adapter.home,
        "options": [
            {
                "name": name,
                "default": to_jsonable_python(field.get_default(call_default_factory=True)),
                "description": field.description or "",
            }
            for name, field in fields
        ],
    }


def _text(row: dict[str, Any]) -> str:
    lines = [
        f"{row['name']}: {row['title']}",
        f"  classes  {', '.join(row['classes']) or 'from your labels'}",
        f"  groups   {row['group_key']}",
        f"  split    published: {row['published_split']}",
        f"  layout   {row['layout']}",
        f"  home     {row['home']}",
    ]
    for option in row["options"]:
        default = "" if option["default"] in (None, []) else f" (default: {json.dumps(option['default'])})"
        lines.append(f"  option   {option['name']}: {option['description']}{default}")
    return "\n".join(lines)
