"""Copies of the project to measure in, so that the user's own data is not touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Copy:
    """A copy of the project."""

    folder: Path

    def run(self, *command: str, before_path: Path | None = None) -> str:
        """Run a command, which must succeed, and return its output; `before_path` is put in front of PATH."""
        process = self.start(*command, before_path=before_path)
        output: str = process.communicate()[0]
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{output}")
        return output

    def start(self, *command: str, before_path: Path | None = None) -> subprocess.Popen[str]:
        """Start a command, with its output and errors in one pipe."""
        folders = [str(before_path)] if before_path else []
        path = os.pathsep.join([*folders, str(Path(sys.executable).parent), os.environ["PATH"]])
        known = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "CYTOPIPE_"))}
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=known | {"PATH": path, "PYTHONPATH": str(self.folder / "src"), "DVC_NO_ANALYTICS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def init(self) -> None:
        """Make it a git repository, which DVC needs."""
        self.run("git", "init", "--quiet")


def fresh(folder: Path, params: Path) -> Copy:
    """Copy the project's files, with these parameters and without outputs."""
    for name in ("src", "stages", "workflow"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("dvc.yaml", "Snakefile", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    (folder / ".dvc").mkdir()
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")
    shutil.copy(params, folder / "params.yaml")
    copy = Copy(folder)
    copy.init()
    return copy
