"""`cytopipe status`: how far the project is, and what is left to run."""

from __future__ import annotations

from pathlib import Path

from cytopipe.cli.common import Debug, clear_errors


def command(debug: Debug = False) -> None:
    """Show which stages are done, running, failed or waiting, why, and how long they took last time.

    After an edit of params.yaml it shows what the change would run again, and at most how long that takes: DVC leaves
    out a stage whose inputs turn out to be what they were. Nothing is run.

    \b
    Examples:
      cytopipe status
    """
    with clear_errors(debug):
        from cytopipe.core.pipeline.standing import standings, told

        print(told(standings(Path())))
