"""`cytopipe gate`: compare the metrics of a finished run with a baseline or a git revision."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cytopipe.cli.common import AsJson, Debug, clear_errors, print_json

BASELINE = Path("tests/baselines/tiny.json")

BaselineFile = Annotated[
    Path | None, typer.Option("--baseline", metavar="FILE", help=f"Baseline to compare with; by default {BASELINE}.")
]
Rev = Annotated[
    str | None,
    typer.Option("--rev", metavar="REV", help="Compare with the results of a git revision instead, from DVC's cache."),
]
Update = Annotated[bool, typer.Option("--update", help="Take the present metrics and test images as the baseline.")]
Tolerance = Annotated[
    float | None,
    typer.Option(
        "--tolerance",
        min=0,
        help="Drop that is accepted; by default that of each metric in the registry. With --rev: of every metric. "
        "With --update: of metrics that the baseline did not have.",
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
    """Compare a run's metrics, in results/, with a baseline or a git revision.

    A metric is worse when it drops by more than its tolerance AND the 95 % interval confirms the drop: with --rev the
    interval of the difference on the same test images (paired bootstrap over groups), with a baseline file the
    baseline's own interval, which is blunter. A drop that the interval does not confirm is within noise and passes;
    so does what is new.

    Exit status 1 when a metric is worse, missing or no number, or was measured on other test images. The table on
    standard output is Markdown for a pull request.

    \b
    Examples:
      cytopipe gate
      cytopipe gate --baseline tests/baselines/demo.json
      cytopipe gate --rev main --tolerance 0.01        against the branch main
      cytopipe gate --update                           move the baseline to the metrics of now
    """
    if rev is not None and not rev.strip():
        raise typer.BadParameter("--rev names no revision")
    if rev is not None and (update or baseline is not None):
        raise typer.BadParameter("--rev stands alone: it compares with no file and moves none")
    if update and as_json:
        raise typer.BadParameter("--update prints no table: leave --json out")
    if tolerance is not None and rev is None and not update:
        raise typer.BadParameter("a baseline holds the tolerance of each metric: --tolerance needs --rev or --update")

    file = baseline or BASELINE
    with clear_errors(debug):
        if update:
            move(file, tolerance)
        else:
            judge(file, rev, tolerance, as_json)


def move(file: Path, tolerance: float | None) -> None:
    """Write the baseline."""
    from cytopipe.evaluation import gate

    metrics = [metric for one in gate.update(Path(), file, tolerance).values() for metric in one.metrics]
    print(f"{file}: {len(metrics)} metrics")


def judge(file: Path, rev: str | None, tolerance: float | None, as_json: bool) -> None:
    """Print the verdicts, and leave with status 1 where one fails."""
    from cytopipe.evaluation import gate

    now = gate.Folder(Path())
    if rev is None:
        against, hint = file.as_posix(), "`cytopipe gate --update` if that is meant"
        checks = gate.compare(now, gate.read_baseline(file))
    else:
        against, hint = rev, "compare with a revision that was tested on the same"
        before, expected = gate.of_revision(Path(), rev, tolerance)
        checks = gate.compare(now, expected, before)
    if as_json:
        print_json(gate.to_json(checks, against))
    else:
        print(gate.to_markdown(checks, against, hint))
    failed = sum(not check.passed for check in checks)
    if failed:
        print(f"error: {failed} of {len(checks)} metrics failed the gate", file=sys.stderr)
        raise typer.Exit(1)
