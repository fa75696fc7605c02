"""`cytopipe preset`: write params.yaml from a preset, or list the presets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cytopipe.cli.common import AsJson, Debug, clear_errors, print_json, print_table
from cytopipe.errors import CytopipeError


def complete(incomplete: str) -> list[str]:
    """Names of presets that begin so, for the shell; none outside a project."""
    from cytopipe.presets import presets

    try:
        return [name for name in presets(Path()) if name.startswith(incomplete)]
    except CytopipeError:
        return []


Name = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="Name of a preset; without one, list them.", autocompletion=complete),
]
Archive = Annotated[
    Path | None,
    typer.Option("--archive", metavar="PATH", help="Archive or folder to read instead of the preset's source."),
]
Weights = Annotated[
    Path | None,
    typer.Option("--weights", metavar="FILE", help="Safetensors file to read instead of timm's hub."),
]
Phantoms = Annotated[
    bool, typer.Option("--phantoms", help="Draw images in the datasets' layouts instead of reading any.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite edits of params.yaml that nothing else holds.")]
Listing = Annotated[bool, typer.Option("--list", help="List the presets.")]


def command(
    name: Name = None,
    archive: Archive = None,
    weights: Weights = None,
    phantoms: Phantoms = False,
    force: Force = False,
    listing: Listing = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write params.yaml from a preset.

    Presets lie in workflow/presets/. Edits that no commit and no preset holds are not overwritten without --force.

    \b
    Examples:
      cytopipe preset                                  list the presets
      cytopipe preset --json                           the same for a program
      cytopipe preset demo
      cytopipe preset wbc --archive ~/wbc.zip          read a file of your own
      cytopipe preset own-images --archive my_cells
      cytopipe preset hep2 --phantoms                  try it before you have the data
    """
    from cytopipe.presets import description, presets, write_preset

    if as_json and name is not None and not listing:
        raise typer.BadParameter("--json goes with the list: leave the name out")
    with clear_errors(debug):
        root = Path()
        if name is None or listing:
            rows = [(name, description(path)) for name, path in presets(root).items()]
            if as_json:
                print_json([{"name": name, "description": text} for name, text in rows])
            else:
                print_table(("preset", "what it is"), rows)
        elif write_preset(root, name, archive, weights, phantoms, force):
            print(f"params.yaml is the preset '{name}' now; next: dvc repro, or snakemake --cores all")
        else:
            print(f"params.yaml is the preset '{name}' already")
