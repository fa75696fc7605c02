"""Shared by the commands: options, exit statuses, error messages, output, and the setup of torch."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cytopipe.core.pipeline.failures import report
from cytopipe.errors import CytopipeError

if TYPE_CHECKING:
    import torch

    from cytopipe.core.params import Reading
    from cytopipe.models.inference.predictor import Predictor
    from cytopipe.results.model_spec import ModelSpec

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of errors.")]
DeviceName = Literal["auto", "cpu", "cuda"]
Device = Annotated[DeviceName, typer.Option("--device", help="Device to compute on; auto uses CUDA if available.")]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        max=1024,
        help="CPU threads; by default the number of the model's training, for bit-identical results.",
    ),
]
PixelSize = Annotated[
    float | None,
    typer.Option(
        "--pixel-size-um",
        min=0.0001,
        max=1000,
        metavar="UM",
        help="Micrometres of a pixel of the images, for a model that was trained at a scale in micrometres; by default "
        "as each file says.",
    ),
]

Range = Annotated[
    str | None,
    typer.Option(
        "--range",
        metavar="LOW,HIGH",
        help="Values that are black and white in images of more than 8 bits, if not those of the training; full: 0 to "
        "65535.",
    ),
]

UsageError: Any = typer.BadParameter.__base__  # typer does not export it
# Left to typer: ends, wrong usage, and a pipe that its reader closed (`cytopipe predict ... | head`).
_PASSED = (typer.Exit, typer.Abort, UsageError, BrokenPipeError)

FAILED, UNREADABLE, INTERRUPTED = 1, 2, 130  # exit statuses
EXIT_STATUS = (
    f"Exit status: 0 done; {FAILED} an error, wrong usage or a failed gate; "
    f"{UNREADABLE} done, but some images could not be read; {INTERRUPTED} interrupted."
)


@contextmanager
def clear_errors(debug: bool) -> Iterator[None]:
    """Report every error as a message on standard error with exit status 1; Ctrl-C gives status 130."""
    try:
        yield
    except _PASSED:
        raise
    except Exception as error:
        if debug:
            raise
        print(f"error: {report(error, 'command')}", file=sys.stderr)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        if debug:
            raise
        print("interrupted", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


def fix_processor(threads: int | None, folder: Path | None = None) -> int:
    """Set the number of threads and the instruction set as in training, and return the number.

    Call it before numpy, OpenCV or torch is imported, because they read these settings only once.

    Args:
        threads: value of --threads; None takes the number recorded in the model, or one per core if there is none.
        folder: model folder, whose training decides the instruction set; of a folder of models, any portable one does.
    """
    from cytopipe.core.pipeline.processor import fix

    model = _recorded(folder) if folder else None
    models = [model] if model or not folder else [_recorded(below) for below in folder.glob("*/") if below.is_dir()]
    count = threads or (model and model.num_threads) or usable_cores()
    fix(count, "portable" if any(one and one.cpu == "portable" for one in models) else "native")
    return count


def prepare(device: DeviceName, threads: int | None, folder: Path | None = None) -> torch.device:
    """Like `fix_processor`, which may have been called before; also choose deterministic kernels and the device.

    Args:
        device: value of --device.
        threads, folder: as in `fix_processor`.

    Raises:
        CytopipeError: CUDA was requested but is not available.
    """
    count = fix_processor(threads, folder)

    from cytopipe.models.determinism import choose_device, make_deterministic

    make_deterministic(count)
    return choose_device(device, "--device")


def with_range(reading: Reading, given: str | None) -> Reading:
    """A reading with the range of --range, if it is given.

    Raises:
        CytopipeError: it is no range.
    """
    if given is None:
        return reading
    from cytopipe.core.params import FULL

    try:
        low, high = FULL if given == "full" else (float(part) for part in given.split(","))
    except ValueError:
        low, high = 1.0, 0.0
    if not low < high:
        raise CytopipeError(f"'{given}' is no range", where="--range", hint="give LOW,HIGH such as 0,4095, or full")
    return reading.model_copy(update={"range": (low, high)})


def usable_cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _recorded(folder: Path) -> ModelSpec | None:
    """The description of a model; None without a valid one. Errors are left to the loading of the model."""
    from cytopipe.models.members import spec_of

    try:
        return spec_of(folder)
    except CytopipeError:
        return None


def print_json(value: object) -> None:
    """Print indented JSON on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> None:
    """Print a table with aligned columns; those named in `right` are right-aligned."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = (
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(header, row, widths, strict=True)
        )
        print("  ".join(cells).rstrip())


def say_networks(folder: Path) -> None:
    """Say on standard error of how many networks a classifier is the mean, and what its performance estimates."""
    from cytopipe.results.ensemble import Ensemble

    ensemble = Ensemble.read(folder)
    if ensemble:
        print(
            f"{folder}: the mean of {len(ensemble.members)} networks ({ensemble.kind}); its measured performance is "
            f"{ensemble.performance}",
            file=sys.stderr,
        )


def say_cropped(predictor: Predictor, things: str) -> None:
    """Say on standard error of how many images a classifier saw the centre only."""
    if predictor.cropped:
        side = predictor.spec.input_size
        print(
            f"{things} larger than {side} x {side} px at the scale of the model's training, of which only the centre "
            f"was seen: {predictor.cropped:,}",
            file=sys.stderr,
        )
