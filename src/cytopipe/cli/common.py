"""What the commands share: options, exit statuses, clear errors, output, and how a model is prepared to run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cytopipe.errors import CytopipeError

if TYPE_CHECKING:
    import torch

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
DeviceName = Literal["auto", "cpu", "cuda"]
Device = Annotated[DeviceName, typer.Option("--device", help="What to compute on; auto takes CUDA where there is one.")]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, max=1024, help="CPU threads; by default those of the model's training: same bits."
    ),
]

FAILED, UNREADABLE, INTERRUPTED = 1, 2, 130  # exit statuses
EXIT_STATUS = (
    f"Exit status: 0 done; {FAILED} an error, wrong usage or a failed gate; "
    f"{UNREADABLE} done, but some images could not be read; {INTERRUPTED} interrupted."
)


@contextmanager
def clear_errors(debug: bool) -> Iterator[None]:
    """Turn an error that a user can mend into one message on standard error and exit status 1; Ctrl-C into 130."""
    try:
        yield
    except CytopipeError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        if debug:
            raise
        print("interrupted", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


def prepare(device: DeviceName, threads: int | None, folder: Path | None = None) -> torch.device:
    """Fix the threads and the kernels, so that a model gives the same bits every time, and choose the device.

    Call it before anything imports torch, which reads the number of threads once.

    Args:
        device: as asked for.
        threads: as asked for; None takes those of the model's training, or, where none are known, one a core.
        folder: of the model.

    Raises:
        CytopipeError: CUDA is asked for and there is none.
    """
    from cytopipe.pipeline.stage import fix_threads

    count = threads or (_threads_of(folder) if folder else None) or usable_cores()
    fix_threads(count)

    from cytopipe.training.determinism import choose_device, make_deterministic

    make_deterministic(count)
    return choose_device(device, "--device")


def usable_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _threads_of(folder: Path) -> int | None:
    """Threads of a model's training. A file that holds none is no fault here: loading the model judges it."""
    from cytopipe.results.model_spec import SPEC, ModelSpec

    try:
        return ModelSpec.read(folder / SPEC).num_threads
    except CytopipeError:
        return None


def print_json(value: Any) -> None:
    """Print indented JSON on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> None:
    """Print aligned columns; those named in `right` end at the same place."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = (
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(header, row, widths, strict=True)
        )
        print("  ".join(cells).rstrip())
