"""`cytopipe results`: show the stored results of real runs, or store those of a finished run."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated

import typer

from cytopipe.cli.common import AsJson, Debug, clear_errors, print_json, print_table, usable_cores
from cytopipe.errors import CytopipeError

Write = Annotated[
    str | None,
    typer.Option(
        "--write", metavar="PRESET", help="Store the results of the run in results/ as docs/results/PRESET.json."
    ),
]
Partial = Annotated[bool, typer.Option("--partial", help="With --write: leave out models that have not been run.")]
Command = Annotated[str | None, typer.Option("--command", help="With --write: the command that was run.")]
Minutes = Annotated[float | None, typer.Option("--minutes", help="With --write: duration of the run.")]
Machine = Annotated[
    str | None, typer.Option("--machine", help="With --write: description of the machine; by default this CPU.")
]

Pareto = Annotated[
    bool,
    typer.Option(
        "--pareto",
        help="Show accuracy against processor time and parameters of the classifiers finished here; without any, those "
        "of docs/networks.json.",
    ),
]
Figure = Annotated[
    Path | None, typer.Option("--figure", metavar="FILE", help="With --pareto: draw it too, as .png or .svg.")
]
Store = Annotated[Path | None, typer.Option("--store", metavar="FILE", help="With --pareto: also write it as JSON.")]

# Written by a run or describing it; changes in them do not make the commit dirty.
IGNORED_CHANGES = ("dvc.lock", "params.yaml", "docs", "README.md")


def command(
    as_json: AsJson = False,
    write: Write = None,
    command: Command = None,
    minutes: Minutes = None,
    machine: Machine = None,
    partial: Partial = False,
    pareto: Pareto = False,
    figure: Figure = None,
    keep: Store = None,
    debug: Debug = False,
) -> None:
    """Show the stored results of real runs.

    They are stored in docs/results/, one file per preset; the tables of the documentation are generated from them.

    \b
    Examples:
      cytopipe results
      cytopipe results --json
      cytopipe results --write wbc --command "cytopipe preset wbc && make repro" --minutes 14
      cytopipe results --pareto --figure cost.png
    """
    from cytopipe.report import stored_results

    with clear_errors(debug):
        if pareto and write is not None:
            raise CytopipeError("--write and --pareto are different tables", where="cytopipe results", hint="give one")
        if pareto:
            from cytopipe.cli.pareto import show_costs

            show_costs(as_json, figure, keep)
            return
        if figure or keep:
            raise CytopipeError("--figure and --store belong to --pareto", where="cytopipe results")
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
    """Write docs/results/<preset>.json from the run in results/.

    Raises:
        CytopipeError: the run is not one of this preset or is not finished, or --command or --minutes is missing.
    """
    from cytopipe import paths
    from cytopipe.core.io.atomic import write_json
    from cytopipe.core.params import load_params
    from cytopipe.core.pipeline.tracking.provenance import git_commit
    from cytopipe.presets.files import find_preset, is_preset
    from cytopipe.report import stored_results

    if command is None or minutes is None or minutes <= 0:
        raise CytopipeError("--write needs --command and --minutes, which record how the results were made")
    root = Path()
    params = load_params(root / paths.PARAMS)
    if not is_preset(params, load_params(find_preset(root, preset))):
        raise CytopipeError(
            f"differs from the preset '{preset}'", where=paths.PARAMS, hint="name the preset that was run"
        )
    record = stored_results.Stored(
        preset=preset,
        command=command,
        commit=git_commit(root, IGNORED_CHANGES) or "unknown",
        machine=machine or describe_machine(),
        minutes=minutes,
        intervals=stored_results.JACKKNIFE,
        results=tuple(stored_results.collect(root, params, partial)),
    )
    file = stored_results.FOLDER / f"{preset}.json"
    write_json(file, record.model_dump(mode="json"))
    print(f"{file}: {len(record.results)} results; `python docs/tools/result_tables.py` shows them in docs/results.md")


def describe_machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Model of the CPU and number of cores that this process may use, without the name of the machine."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else platform.machine()}, {usable_cores()} cores"
