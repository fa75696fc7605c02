"""The first step of `make repro` and `make snakemake`: what the engines need and would not say how to get."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from workflow.killed_pass import clear_dvc_locks

from cytopipe.core.pipeline.project import check_project
from cytopipe.errors import CytopipeError


def main() -> None:
    """Check the project in the working folder; exit with 1 and a message if something is missing."""
    try:
        check_project(Path())
        if clear_dvc_locks():
            print("a DVC that was killed left its locks in .dvc/tmp/rwlock: they are removed", file=sys.stderr)
    except CytopipeError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
