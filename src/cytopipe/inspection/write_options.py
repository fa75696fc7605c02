"""The options that fit, as commented lines of params.yaml."""

from __future__ import annotations

import textwrap
from typing import Any

import yaml

from cytopipe.inspection.seen import TO_DECIDE, Fit

_WIDTH = 110


def options_as_yaml(fit: Fit) -> str:
    """`options:` with a comment for each, in YAML, without indentation."""
    lines = []
    for note in fit.unclear:
        lines += _comment(f"{TO_DECIDE}: {note}")
    for option in dict.fromkeys([*fit.options, *fit.why]):
        if option == "split.kind":
            continue
        if option in fit.options:
            if option in fit.why:
                lines += _comment(fit.why[option])
            lines.append(f"{option}: {_value(fit.options[option])}")
        else:
            lines += _comment(fit.why[option])
    if not fit.options:
        return "\n".join(["options: {}", *(f"  {line}" for line in lines)])
    return "\n".join(["options:", *(f"  {line}" for line in lines)])


def split_as_yaml(fit: Fit) -> str:
    """`split:` with the reason for its kind."""
    lines = _comment(fit.why.get("split.kind", ""))
    split = f"split: {{kind: {fit.split}, val: 0.2, test: 0.2, seed: 0}}   # grouped, random or published"
    return "\n".join([*lines, split])


def _comment(text: str) -> list[str]:
    return [f"# {line}" for part in text.splitlines() for line in textwrap.wrap(part, _WIDTH)]


def _value(value: Any) -> str:
    return str(yaml.safe_dump(value, allow_unicode=True, default_flow_style=True, width=10_000).splitlines()[0])
