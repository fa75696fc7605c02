"""Provenance of a run, as tags."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from cytopipe.core.pipeline.engine import engine, pipeline_pass
from cytopipe.core.pipeline.tracking.names import MAX_TAG, safe_name, shorten

GIT_TIMEOUT_S = 10


def run_tags(stage: str, item: str | None, inputs: Mapping[str, str], root: Path) -> dict[str, str]:
    """Tags of an execution of a stage; unknown ones are left out.

    Args:
        stage: name of the stage.
        item: dataset, segmenter, classifier or screening that the stage runs for.
        inputs: SHA-256 of every input by path; becomes tags `input.<path>`.
        root: root of the project.
    """
    commit = git_commit(root)
    running = engine()
    known = {
        "stage": stage,
        "item": item,
        "commit": commit,
        "engine": running.name,
        "pipeline_pass": pipeline_pass(running),
        "dvc_experiment": os.environ.get("DVC_EXP_NAME"),
        # The UI's columns "Source" and "Version".
        "mlflow.source.name": _script(root),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": commit and commit.removesuffix("-dirty"),
        **{f"input.{path}": digest for path, digest in inputs.items()},
    }
    return {safe_name(name): shorten(value, MAX_TAG) for name, value in known.items() if value}


def git_commit(root: Path, exclude: Iterable[str] = ("dvc.lock",)) -> str | None:
    """The checked-out commit, with `-dirty` if the working tree differs from it; None outside a git repository.

    Changes of the files in `exclude` do not count; DVC rewrites `dvc.lock` after every stage.
    """
    try:
        commit = _git(root, "rev-parse", "--verify", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", ".", *(f":(exclude){path}" for path in exclude))
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}-dirty" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    # No optional locks: `git status` would refresh the index and block a commit made meanwhile.
    return subprocess.run(
        ["git", *arguments],
        cwd=root,
        env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
        capture_output=True,
        text=True,
        check=True,
        timeout=GIT_TIMEOUT_S,
    ).stdout.strip()


def _script(root: Path) -> str:
    """Path of the running script, relative to the root of the project if it is inside."""
    script = Path(sys.argv[0]).resolve()
    return str(script.relative_to(root.resolve()) if script.is_relative_to(root.resolve()) else script)
