"""`cytopipe verify`: does what lies here agree with the record?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cytopipe.cli.common import FAILED, AsJson, Debug, clear_errors, print_json
from cytopipe.errors import CytopipeError

Rev = Annotated[str, typer.Argument(metavar="[REV]", help="Git revision whose dvc.lock is the record.")]
File = Annotated[
    Path | None, typer.Option("--record", metavar="FILE", help="Compare with a file that --write stored instead.")
]
Write = Annotated[
    Path | None,
    typer.Option(
        "--write", metavar="FILE", help="Store hashes, metrics and machine of what lies here; nothing is compared."
    ),
]
Tolerance = Annotated[
    float | None,
    typer.Option("--tolerance", min=0, help="Accepted change of every metric; by default that of the registry."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also show every stage, metric and differing fact.")]


def command(
    rev: Rev = "HEAD",
    record: File = None,
    write: Write = None,
    tolerance: Tolerance = None,
    verbose: Verbose = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Compare what lies here with the record of a run; nothing is run.

    The record is the dvc.lock of a revision: it holds the hash of every output. The verdict names the first stage of
    the DAG, and its output, whose bytes differ, and why: its code, its inputs, or the machine. Where the same bytes are
    not promised, the metrics must be within their tolerances. Stages with other parameters cannot be compared.

    dvc.lock holds no numbers and no machine. Commit `workflow/record.json` with it, so that others can compare both.

    The exit status is 0 if all that can be compared agrees, 1 if something departs or nothing can be compared.

    \b
    Examples:
      cytopipe verify
      cytopipe verify main -v
      cytopipe verify --write workflow/record.json     after a run; commit it with dvc.lock
      cytopipe verify --record tests/baselines/tiny.record.json
    """
    from cytopipe import verify

    with clear_errors(debug):
        if write is not None:
            if record is not None or as_json:
                raise CytopipeError("--write compares nothing, so it cannot be combined with --record or --json")
            stored = verify.write_record(verify.Present(Path()), write)
            print(f"{write}: {sum(map(len, stored.outputs.values()))} outputs of {len(stored.outputs)} stages")
            return
        verdict = verify.verify(Path(), rev, record, tolerance)
        if as_json:
            print_json(verify.to_json(verdict))
        else:
            print(verify.to_table(verdict) + "\n" + verdict.line if verbose else verdict.line)
        if not verdict.holds:
            raise typer.Exit(FAILED)
