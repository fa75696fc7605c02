"""`cytopipe gate`: compare the metrics of a finished run with a baseline."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cytopipe.cli.common import Debug, clear_errors

BaselineFile = Annotated[Path, typer.Option("--baseline", metavar="FILE", help="Baseline to compare with.")]
Update = Annotated[bool, typer.Option("--update", help="Take the present metrics as the baseline.")]
Tolerance = Annotated[
    float, typer.Option("--tolerance", min=0, help="With --update: of metrics that the baseline did not have.")
]


def command(
    baseline: BaselineFile = Path("tests/baselines/tiny.json"),
    update: Update = False,
    tolerance: Tolerance = 0.02,
    debug: Debug = False,
) -> None:
    """Compare a run's metrics with a baseline.

    Exit status 1 on a drop beyond the tolerance, a missing metric or one that is no number. The table on standard
    output is Markdown.

    \b
    Examples:
      cytopipe gate
      cytopipe gate --baseline tests/baselines/demo.json
      cytopipe gate --update                           move the baseline to the metrics of now
    """
    from cytopipe.evaluation import gate

    with clear_errors(debug):
        root = Path()
        if update:
            print(f"{baseline}: {len(gate.update(root, baseline, tolerance))} metrics")
            return
        expected = gate.read_baseline(baseline)
        checks = gate.compare(root, expected)
        print(gate.to_markdown(checks))
        for file in gate.uncovered(root, expected):
            print(f"not in the baseline: {file}")
        failed = sum(not check.passed for check in checks)
        if failed:
            print(f"error: {failed} of {len(checks)} metrics failed the gate", file=sys.stderr)
            raise typer.Exit(1)
