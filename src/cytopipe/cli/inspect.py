"""`cytopipe inspect`: what a folder or archive of images holds, and the parameters that fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cytopipe.cli.common import AsJson, Debug, clear_errors, print_json

Source = Annotated[Path, typer.Argument(metavar="PATH", help="Folder or archive of images; it is only read.")]
Write = Annotated[
    bool, typer.Option("--write", help="Write params.yaml with the options that fit: the preset own-images.")
]
Force = Annotated[
    bool, typer.Option("--force", help="With --write: overwrite params.yaml even if its edits are stored nowhere else.")
]


def command(
    source: Source, write: Write = False, force: Force = False, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Show what a folder or archive of images holds, before anything runs.

    Folders and what they mean, classes with counts, splits, what may be the patient or slide, sizes and bit depths,
    masks, tables with their columns, other files, and the options of params.yaml that fit. What is not clear is said.

    \b
    Examples:
      cytopipe inspect my_cells
      cytopipe inspect my_cells.zip --json
      cytopipe inspect my_cells --write              write params.yaml; next: dvc repro
    """
    with clear_errors(debug):
        from dataclasses import asdict

        from cytopipe.inspection.look import look
        from cytopipe.inspection.seen import TO_DECIDE
        from cytopipe.inspection.show import show
        from cytopipe.presets.own_images import OWN_IMAGES
        from cytopipe.presets.write import write_preset

        seen = look(source.expanduser())
        if as_json:
            print_json(asdict(seen))
        else:
            print(show(seen))
        if write:
            written = write_preset(Path(), OWN_IMAGES, source, force=force, fit=seen.fit)
            if not as_json:
                first = f"decide what stands as '{TO_DECIDE}' in it" if seen.fit.unclear else "dvc repro"
                print(f"\nwrote params.yaml; next: {first}" if written else "\nparams.yaml has this content already")
