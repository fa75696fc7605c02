"""Copies of this project with 24 small images of people's own: real git and DVC, and seconds a stage."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from engine_projects import Project, fresh
from files_of_people import names, tree

RANDOM = {"kind": "random", "val": 0.25, "test": 0.25, "seed": 0}
OTSU = {"dataset": "mine", "architecture": "otsu", "pretrained": "workflow/weights/none", "input_size": 64}


def cells(folder: Path) -> Path:
    """24 images in two class folders."""
    return tree(folder, names({"abnormal": 12, "normal": 12}))


def parameters(source: str, **more: object) -> str:
    """The text of a params.yaml of one dataset `mine`, whose classifier `c` trains for one epoch."""
    training = {"epochs": 1, "batch_size": 8, "learning_rate": 0.01}
    dataset = {
        "adapter": "folder",
        "source": {"kind": "archive", "path": source},
        "options": {},
        "exclude_classes": [],
        "bad_images": "error",
        "split": RANDOM,
        "segmenter": "threshold",
        "image_size": 32,
        "fit": "stretch",
    }
    classifier = {"dataset": "mine", "architecture": "timm/test_resnet", "pretrained": "workflow/weights/none"}
    values = {
        "runtime": {"device": "cpu", "cpu": "native", "num_threads": 1, "num_workers": 0},
        "tracking": {"enabled": False, "experiment": "cells"},
        "audit": "off",
        "explain": {"images": 1, "steps": 4, "baselines": 2},
        "datasets": {"mine": dataset},
        "segmenters": {"threshold": OTSU},
        "classifiers": {"c": {**classifier, "channels": "rgb", "training": training}},
        "screenings": {},
        "evaluations": {},
        **more,
    }
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def small(template: Project, folder: Path, source: str = "", **more: object) -> Project:
    """A copy of a committed project at `folder`, with images beside it; `source` is theirs unless it is named."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    project = template.copy(folder)
    if not source:
        source = str(cells(folder.parent / "cells"))
    (folder / "params.yaml").write_text(parameters(source, **more), encoding="utf-8")
    project.commit()
    return project


def template(folder: Path) -> Project:
    """This project, committed, without the tests and the documents."""
    project = fresh(folder)
    for name in ("tests", "docs", "benchmarks", "data"):
        shutil.rmtree(folder / name)
    (folder / "data").mkdir()
    project.commit()
    return project


def stage(
    project: Project, name: str, item: str = "mine", **environment: str | None
) -> subprocess.CompletedProcess[str]:
    """Run a stage by its script; a variable that is None is taken from the environment."""
    variables = {**project.environment, **environment}
    return subprocess.run(
        [sys.executable, f"stages/{name}.py", *([item] if item else [])],
        cwd=project.folder,
        env={key: value for key, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
