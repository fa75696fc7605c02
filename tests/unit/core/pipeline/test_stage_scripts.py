"""The scripts of stages/ import no more than they need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

PROGRAMS = Path(__file__).parent / "programs"


def test_every_script_explains_itself_without_torch_mlflow_or_parameters(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(PROGRAMS / "show_help.py"), str(root / "stages")]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    scripts = len(list((root / "stages").glob("*.py")))
    assert shown.count("exit 0") == shown.count("--params") == scripts >= 8
    assert "Train a classifier of cells" in shown and "CLASSIFIER" in shown
    assert shown.splitlines()[-1] == ""
    assert not (tmp_path / ".cytopipe").exists()


def test_stages_that_need_no_torch_do_not_import_it_at_work(root: Path, tmp_path: Path) -> None:
    (tmp_path / "workflow").symlink_to(root / "workflow")
    values = yaml.safe_load((root / "workflow/presets/tiny.yaml").read_text())
    values["runtime"]["cpu"] = "native"  # one process for all: an instruction set is chosen before the first import
    values["datasets"]["tiny"]["source"] |= {"fields_per_class": 3, "cells_per_field": 1}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    command = [sys.executable, str(PROGRAMS / "light_stages.py"), str(root / "stages"), str(root / "tests")]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["heavy:", "tracked: True"]
    # The hand-made results are of no model: one line says so, and nothing fails.
    assert done.stderr.count("cytopipe-tiny: not registered: MLflow holds no model abababababab of masks") == 1
    for name in ("data/tensors/tiny/train.npy", "results/audits/tiny/audit.json", "results/leaderboard.md"):
        assert (tmp_path / name).is_file()
