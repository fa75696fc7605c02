"""What the engines need of a project before they start, and would report without saying what to do."""

from __future__ import annotations

import configparser
import shlex
import subprocess
from pathlib import Path

from cytopipe import paths
from cytopipe.core.params import load_params, refuse_former_values
from cytopipe.errors import CytopipeError

BRACES = "this path holds '{' or '}', which DVC and Snakemake take for their own"
UNTRUSTED = "git refuses this folder, which belongs to another user"
GIT_S = 10  # time limit of git
GIT_INIT = (
    "run `git init && git add -A && git commit -m start` here, or get the project by git clone; to do without git, run "
    "`dvc config --local core.no_scm true`"
)


def lacks_git(root: Path) -> bool:
    """Whether a project is in no git repository, as one that was downloaded as a zip, and DVC is not told so."""
    if any((folder / ".git").exists() for folder in (root.absolute(), *root.absolute().parents)):
        return False
    config = configparser.ConfigParser()
    try:
        config.read([root / ".dvc/config", root / ".dvc/config.local"], encoding="utf-8")
        return not config.getboolean("core", "no_scm", fallback=False)
    except (configparser.Error, ValueError):  # DVC says what is wrong with it
        return True


def untrusted(root: Path) -> bool:
    """Whether git refuses a folder because it belongs to another user."""
    try:
        asked = subprocess.run(["git", "rev-parse", "--git-dir"], cwd=root, capture_output=True, timeout=GIT_S)
    except (OSError, subprocess.SubprocessError):
        return False
    return asked.returncode != 0 and b"dubious ownership" in asked.stderr


def trust(root: Path) -> str:
    """What to do about an untrusted folder."""
    return f"if you trust it: git config --global --add safe.directory {shlex.quote(str(root.resolve()))}"


def untracked_inside(path: Path, root: Path) -> str:
    """The path, from the root, of what lies in the project and not in git; empty if it is elsewhere or tracked.

    DVC's experiments in other folders start from what git tracks, and from what `--copy-paths` names.
    """
    path, root = path.expanduser().resolve(), root.resolve()
    if not path.is_relative_to(root) or path.with_name(f"{path.name}.dvc").exists():
        return ""
    try:
        tracked = subprocess.run(["git", "ls-files", "--", str(path)], cwd=root, capture_output=True, timeout=GIT_S)
    except (OSError, subprocess.SubprocessError):
        return ""
    return "" if tracked.returncode or tracked.stdout else path.relative_to(root).as_posix()


def check_project(root: Path) -> None:
    """Check what DVC or Snakemake would fail for.

    Raises:
        CytopipeError: the parameters are invalid, there is no git repository, or a source is not here.
    """
    params = load_params(root / paths.PARAMS)
    refuse_former_values(root / paths.PARAMS)
    if lacks_git(root):
        raise CytopipeError("this folder is no git repository, which DVC needs", where=root.absolute(), hint=GIT_INIT)
    if set(str(root.absolute())) & set("{}"):
        raise CytopipeError(BRACES, where=root.absolute(), hint="rename that folder")
    for name, dataset in params.datasets.items():
        path = Path(dataset.source.path)
        if not (root / path).exists():
            raise missing_source(path, f"datasets.{name}.source.path")
        if set(str(path)) & set("{}"):
            raise CytopipeError(BRACES, where=path, hint="rename that folder or file")


def missing_source(path: Path, key: str) -> CytopipeError:
    """The error for a file or folder that params.yaml names and that is not on this machine."""
    return CytopipeError(
        f"there is no file or folder '{path}'",
        where=f"{paths.PARAMS}: {key}",
        hint="correct the path; where the outputs came by dvc pull, `dvc repro --allow-missing` goes on without it",
    )
