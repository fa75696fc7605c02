"""`cytopipe gate`: compare the metrics of a finished run with a baseline or a git revision."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cytopipe.cli.common import FAILED, AsJson, Debug, clear_errors, print_json

BASELINE = Path("tests/baselines/tiny.json")

BaselineFile = Annotated[
    Path | None, typer.Option("--baseline", metavar="FILE", help=f"Baseline to compare with; by default {BASELINE}.")
]
Rev = Annotated[
    str | None,
    typer.Option(
        "--rev", metavar="REV", help="Compare with the results of a git revision instead, taken from DVC's cache."
    ),
]
Update = Annotated[bool, typer.Option("--update", help="Make the present metrics and test images the baseline.")]
Tolerance = Annotated[
    float | None,
    typer.Option(
        "--tolerance",
        min=0,
        help="Accepted drop; by default the tolerance of each metric in the registry. With --rev it applies to every "
        "metric, with --update to the metrics that are new in the baseline.",
    ),
]


def command(
    baseline: BaselineFile = None,
    rev: Rev = None,
    update: Update = False,
    tolerance: Tolerance = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Compare the metrics in results/ with a baseline or a git revision.

    A metric is worse if it drops by more than its tolerance and the 95 % interval confirms the drop. With --rev this is
    the interval of the difference on the same test images, over groups; with a baseline file it is the baseline's own
    interval, a less sensitive test. It is also worse if it drops by more than five times the default tolerance, or,
    with --rev, if one group collapses. Any other drop is within noise and passes; so does a new metric.

    The exit status is 1 if a metric is worse, missing or not a number, or was measured on other test images. The table
    on standard output is Markdown for a pull request.

    \b
    Examples:
      cytopipe gate
      cytopipe gate --baseline tests/baselines/demo.json
      cytopipe gate --rev main --tolerance 0.01        compare with the branch main
      cytopipe gate --update                           make the present metrics the baseline
    """
    if rev is not None and not rev.strip():
        raise typer.BadParameter("--rev needs a revision")
    if rev is not None and (update or baseline is not None):
        raise typer.BadParameter("--rev cannot be combined with --baseline or --update")
    if update and as_json:
        raise typer.BadParameter("--update prints no table, so it cannot be combined with --json")
    if tolerance is not None and rev is None and not update:
        raise typer.BadParameter("--tolerance needs --rev or --update: a baseline holds the tolerance of each metric")

    file = baseline or BASELINE
    with clear_errors(debug):
        if update:
            update_baseline(file, tolerance)
        else:
            check(file, rev, tolerance, as_json)


def update_baseline(file: Path, tolerance: float | None) -> None:
    """Write the baseline and print the number of its metrics."""
    from cytopipe import gate

    metrics = [metric for one in gate.update(Path(), file, tolerance).values() for metric in one.metrics]
    print(f"{file}: {len(metrics)} metrics")


def check(file: Path, rev: str | None, tolerance: float | None, as_json: bool) -> None:
    """Print the verdict on every metric; exit with status 1 if one fails."""
    from cytopipe import gate

    now = gate.Folder(Path())
    if rev is None:
        against, hint = file.as_posix(), "`cytopipe gate --update` if that is intended"
        checks = gate.compare(now, gate.read_baseline(file))
    else:
        against, hint = rev, "compare with a revision that was tested on the same images"
        before, expected = gate.of_revision(Path(), rev, tolerance)
        checks = gate.compare(now, expected, before)
    if as_json:
        print_json(gate.to_json(checks, against))
    else:
        print(gate.to_markdown(checks, against, hint))
    failed = sum(not one.passed for one in checks)
    if failed:
        print(f"error: {failed} of {len(checks)} metrics failed the gate", file=sys.stderr)
        raise typer.Exit(FAILED)
