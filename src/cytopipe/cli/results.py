"""`cytopipe results`: stored results of real runs, and how a finished run becomes one of them."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated

import typer

from cytopipe.cli.common import AsJson, Debug, clear_errors, print_json, print_table, usable_cores
from cytopipe.errors import CytopipeError

Write = Annotated[
    str | None,
    typer.Option("--write", metavar="PRESET", help="Store what lies in results/ as docs/results/PRESET.json."),
]
Partial = Annotated[bool, typer.Option("--partial", help="With --write: leave out what has not been run.")]
Command = Annotated[str | None, typer.Option("--command", help="With --write: the command that was run.")]
Minutes = Annotated[float | None, typer.Option("--minutes", help="With --write: how long it ran.")]
Machine = Annotated[str | None, typer.Option("--machine", help="With --write: what it ran on; by default this CPU.")]

# They tell of a run or are written by it; they do not change it.
NOT_OF_THE_COMMIT = ("dvc.lock", "params.yaml", "docs", "README.md")


def command(
    as_json: AsJson = False,
    write: Write = None,
    command: Command = None,
    minutes: Minutes = None,
    machine: Machine = None,
    partial: Partial = False,
    debug: Debug = False,
) -> None:
    """Show the stored results of real runs.

    They are kept in docs/results/, one file per preset; the tables of the documentation are made from them.

    \b
    Examples:
      cytopipe results
      cytopipe results --json
      cytopipe results --write wbc --command "cytopipe preset wbc && make repro" --minutes 14
    """
    from cytopipe.evaluation import stored_results

    with clear_errors(debug):
        if write is not None:
            store(write, command, minutes, machine, partial)
            return
        stored = stored_results.read_results(stored_results.FOLDER)
        if as_json:
            print_json([row for run in stored for row in run.rows])
        elif not stored:
            print(f"no stored results in {stored_results.FOLDER}")
        else:
            header = ("dataset", "system", "split", "metric", "value (95 %)", "n", "min")
            rows = [
                (one.dataset, one.system, one.split_shown, one.metric, one.shown, f"{one.n:,}", f"{run.minutes:g}")
                for run in stored
                for one in run.results
            ]
            print_table(header, rows, right=("n", "min"))
            print("\n".join(["", *(f"{run.preset}: {run.made}" for run in stored)]))


def store(preset: str, command: str | None, minutes: float | None, machine: str | None, partial: bool) -> None:
    """Write docs/results/<preset>.json from the results of the run that lies in results/.

    Raises:
        CytopipeError: when the run is not one of this preset, is not finished, or how it was made is not told.
    """
    from cytopipe import paths
    from cytopipe.evaluation import stored_results
    from cytopipe.io.atomic import write_json
    from cytopipe.params import load_params
    from cytopipe.pipeline.tracking.provenance import git_commit
    from cytopipe.presets import find_preset, is_preset

    if command is None or minutes is None or minutes <= 0:
        raise CytopipeError("--write needs --command and --minutes, which say how the results were made")
    root = Path()
    params = load_params(root / paths.PARAMS)
    if not is_preset(params, load_params(find_preset(root, preset))):
        raise CytopipeError(
            f"differs from the preset '{preset}'", where=paths.PARAMS, hint="name the preset that was run"
        )
    record = stored_results.Stored(
        preset=preset,
        command=command,
        commit=git_commit(root, NOT_OF_THE_COMMIT) or "unknown",
        machine=machine or describe_machine(),
        minutes=minutes,
        results=tuple(stored_results.collect(root, params, partial)),
    )
    file = stored_results.FOLDER / f"{preset}.json"
    write_json(file, record.model_dump(mode="json"))
    print(f"{file}: {len(record.results)} results; `python docs/tools/result_tables.py` shows them in docs/results.md")


def describe_machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Model of the CPU and the cores that this process may use; no name of the machine."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else platform.machine()}, {usable_cores()} cores"
