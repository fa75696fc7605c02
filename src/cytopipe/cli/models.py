"""`cytopipe models`: the architectures with their papers and numbers of parameters."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from cytopipe.cli.common import AsJson, Debug, clear_errors, print_json, print_table

if TYPE_CHECKING:
    from cytopipe.models.registry import Architecture

CLASSES = 5  # where an architecture has no default


def command(as_json: AsJson = False, debug: Debug = False) -> None:
    """List the architectures with their sizes.

    Their names go into segmenters.*.architecture and classifiers.*.architecture of params.yaml. Parameters are counted
    with default arguments, and with 5 classes where their number has no default.

    \b
    Examples:
      cytopipe models
      cytopipe models --json
    """
    with clear_errors(debug):
        from cytopipe.models.registry import architectures

        rows = [describe(entry) for entry in architectures()]
        if as_json:
            print_json(rows)
        else:
            header = ("name", "task", "input", "parameters", "trainable", "paper")
            print_table(header, [_cells(row) for row in rows], right=("input", "parameters", "trainable"))


def describe(entry: Architecture) -> dict[str, Any]:
    """Describe an architecture in JSON types; the numbers of parameters are None for a family without defaults."""
    import torch

    from cytopipe.models.registry import count_parameters

    required = [name for name in inspect.signature(entry.builder).parameters if name not in entry.defaults]
    total = trainable = None
    if set(required) <= {"num_classes"}:
        with torch.device("meta"):  # counting needs no weights in memory
            model = entry.builder(**dict.fromkeys(required, CLASSES))
        total, trainable = count_parameters(model), count_parameters(model, trainable=True)
    return {
        "name": entry.name,
        "task": entry.task,
        "paper": entry.paper,
        "description": entry.description,
        "input_size": entry.input_size,
        "parameters": total,
        "trainable_parameters": trainable,
    }


def _cells(row: dict[str, Any]) -> list[str]:
    counts = (row["parameters"], row["trainable_parameters"])
    return [
        row["name"],
        row["task"],
        str(row["input_size"]),
        *("-" if count is None else f"{count:,}" for count in counts),
        row["paper"],
    ]
