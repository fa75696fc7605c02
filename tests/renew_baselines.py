"""Renew the baselines of the preset tiny, after a change that is meant to change results.

`python tests/renew_baselines.py` runs the preset in a copy of this work tree, and writes to tests/baselines/ what it
found there: the metrics that `cytopipe gate` compares (tiny.json), and the golden hashes of every stage with the facts
of this machine (tiny.record.json).
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from engine_projects import GOLDEN, ROOT, fresh

BASELINE = "tests/baselines/tiny.json"


def main() -> None:
    """Run the preset and copy both files."""
    with tempfile.TemporaryDirectory() as box:
        project = fresh(Path(box) / "project")
        print("running the preset tiny, a few minutes", file=sys.stderr)
        if project.start("dvc", "repro").wait():  # without a limit of time, unlike the tests
            sys.exit(project.log.read_text())
        print(project.run("cytopipe", "gate", "--update"), end="")
        print(project.run("cytopipe", "verify", "--write", GOLDEN), end="")
        for name in (BASELINE, GOLDEN):
            shutil.copyfile(project.folder / name, ROOT / name)


if __name__ == "__main__":
    main()
