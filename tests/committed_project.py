"""A small project of git and DVC, whose outputs the tests of `cytopipe verify` write in place of stages."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cytopipe import paths
from cytopipe.core.pipeline.machine import Machine
from cytopipe.verify import Verdict, verify

METRICS = "results/classifiers/net/metrics.json"
# The last stage first: the order of the DAG is not that of the file.
STAGES = {
    "report": {"cmd": "true", "deps": ["results/classifiers", "src/report.py"], "outs": ["results/report.html"]},
    "train": {
        "cmd": "true",
        "deps": ["data/raw", "src/train.py"],
        "params": ["runtime.num_threads", "explain"],
        "outs": ["models/net"],
        "metrics": [METRICS],
    },
    "draw": {"cmd": "true", "deps": ["src/draw.py"], "params": ["audit"], "outs": ["data/raw"]},
}
NUMBERS = {"accuracy": 0.8, "low": 0.7, "high": 0.9, "auc": 0.95}


@dataclass(frozen=True)
class Project:
    """A project of DVC; its files are changed by the tests in place of stages."""

    root: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.root, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)

    def write_metrics(self, **changes: float) -> None:
        self.write(METRICS, json.dumps(NUMBERS | changes))

    def leave(self, machine: Machine) -> None:
        """What the stages would write about their machine."""
        for stage in STAGES:
            self.write(f"{paths.PROVENANCE}/{stage}.json", machine.model_dump_json())

    def set_param(self, key: str, value: Any) -> None:
        params = yaml.safe_load((self.root / paths.PARAMS).read_text())
        section, _, name = key.rpartition(".")
        (params[section] if section else params)[name] = value
        self.write(paths.PARAMS.as_posix(), yaml.safe_dump(params))

    def finish(self) -> None:
        """Let DVC take what lies here for the outputs of the stages."""
        self.run("dvc", "commit", "--force", "--quiet")

    def commit(self) -> None:
        self.run("git", "add", "--all")
        self.run("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "state")

    def verify(self, **options: Any) -> Verdict:
        return verify(self.root, **options)
