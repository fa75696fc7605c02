"""The scripts of stages/ import no more than they need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

HELP = """
import runpy, sys
from pathlib import Path
for script in sorted(Path(sys.argv[1]).glob("*.py")):
    sys.argv = [str(script), "--help"]
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        print("exit", end.code)
print(*sorted({"torch", "mlflow", "albumentations"} & set(sys.modules)))
"""


def test_every_script_explains_itself_without_torch_mlflow_or_parameters(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", HELP, str(root / "stages")]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    scripts = len(list((root / "stages").glob("*.py")))
    assert shown.count("exit 0") == shown.count("--params") == scripts >= 8
    assert "Train a classifier of cells" in shown and "CLASSIFIER" in shown
    assert shown.splitlines()[-1] == ""
    assert not (tmp_path / ".cytopipe").exists()


LIGHT = """
import runpy, shutil, sys
from dataclasses import replace
from pathlib import Path

def stage(name, *item):
    sys.argv = [str(Path(sys.path[0]) / f"{name}.py"), *item]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        assert not end.code, name

sys.path[0], tests = sys.argv[1:]
stage("download", "tiny")
stage("organize", "tiny")

# True masks for predicted ones, and three classifiers that are always right.
sys.path.append(tests)
from cytopipe.data.manifest import read_manifest, write_manifest
from cytopipe.results.predictions import Prediction, Predictions
from made_results import classifier_details
rows = read_manifest(Path("data/organized/tiny/manifest.csv"))
shutil.copytree("data/organized/tiny/masks", "data/masks/tiny/predicted")
write_manifest(Path("data/masks/tiny/manifest.csv"), [replace(r, mask_path=f"predicted/{r.id}.png") for r in rows])
stage("build_tensors", "tiny")
stage("audit", "tiny")

for name, channels in (("masks", "rgb+masks"), ("resnet-rgb", "rgb"), ("resnet-masked", "masked")):
    folder = Path("results/classifiers") / name
    folder.mkdir(parents=True)
    classifier_details(1.0, dataset="tiny", channels=channels).write(folder / "details.json")
    classes = sorted({r.label for r in rows})
    right = [
        Prediction(
            **{"id": r.id, "group": r.group, "label": r.label, "predicted": r.label},
            probabilities=[float(c == r.label) for c in classes],
        )
        for r in rows if r.split == "test"
    ]
    Predictions.of(classes, right).write(folder / "predictions.csv")

# The stage looks for every file below the folder that it depends on; what it does not read may be empty.
import yaml
from cytopipe.pipeline.description import read_description
values = yaml.safe_load(Path("params.yaml").read_text())
outputs = read_description(Path(sys.path[0]).parent / "dvc.yaml").outputs(values)
for path in (Path(output) for output in outputs if output.startswith("results/classifiers/")):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
stage("compare")
print("heavy:", *sorted({"torch", "albumentations", "timm", "monai"} & set(sys.modules)))
print("tracked:", "mlflow" in sys.modules)
"""


def test_stages_that_need_no_torch_do_not_import_it_at_work(root: Path, tmp_path: Path) -> None:
    (tmp_path / "workflow").symlink_to(root / "workflow")
    values = yaml.safe_load((root / "workflow/presets/tiny.yaml").read_text())
    values["datasets"]["tiny"]["source"] |= {"fields_per_class": 3, "cells_per_field": 1}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    command = [sys.executable, "-c", LIGHT, str(root / "stages"), str(root / "tests")]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["heavy:", "tracked: True"]
    # The hand-made results are of no model: one line says so, and nothing fails.
    assert done.stderr.count("cytopipe-tiny: not registered: MLflow holds no model abababababab of masks") == 1
    for name in ("data/tensors/tiny/train.npy", "results/audits/tiny/audit.json", "results/leaderboard.md"):
        assert (tmp_path / name).is_file()
