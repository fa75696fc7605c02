"""The files of a git revision: those in git, and the outputs that its dvc.lock names, from DVC's cache or remote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cytopipe.errors import CytopipeError
from cytopipe.gate.baseline import Baseline, baseline_of


@dataclass(frozen=True)
class Revision:
    """A revision of the project in `root`; nothing is checked out.

    Raises (from every method):
        CytopipeError: when there is no such revision or DVC project, or an output is in neither cache nor remote.
    """

    root: Path
    name: str

    def read(self, path: str) -> bytes:
        """The content of a file of git or an output of DVC."""
        from dvc.exceptions import DvcException

        if not _was_made(self._files.info(path)):
            raise FileNotFoundError(path)
        try:
            with self._files.open(path, "rb") as file:
                return bytes(file.read())
        except (OSError, DvcException):
            raise CytopipeError(
                f"the output of {self.name} is in neither DVC's cache nor a remote",
                where=path,
                hint=f"`dvc fetch --all-branches` where a remote holds it; else run `dvc repro` on {self.name} once",
            ) from None

    def details_files(self) -> list[str]:
        """Sorted paths of results/**/details.json."""
        found = self._files.find("results", detail=True) if self._files.exists("results") else {}
        return sorted(path for path, info in found.items() if path.endswith("/details.json") and _was_made(info))

    @cached_property
    def _files(self) -> Any:
        """DVC's view of the revision; made once, since it reads every stage."""
        from dvc.api import DVCFileSystem
        from dvc.exceptions import DvcException, NotDvcRepoError
        from dvc.scm import RevError, SCMError

        try:
            files = DVCFileSystem(str(self.root), rev=self.name)
            files.info("dvc.yaml")  # `exists` would hide every error
            files.ls("")  # reads the stages
        except FileNotFoundError:
            raise CytopipeError(f"{self.name} has no dvc.yaml", where=self.root.absolute()) from None
        except RevError:
            raise CytopipeError(
                f"git knows no revision '{self.name}'",
                where=self.root.absolute(),
                hint="`git fetch` gets the branches of a remote; `git branch --all` lists what is here",
            ) from None
        except (NotDvcRepoError, SCMError):
            raise CytopipeError(
                "not a project of git and DVC", where=self.root.absolute(), hint="change to the project's root"
            ) from None
        except DvcException as error:
            raise CytopipeError(f"DVC cannot read {self.name}: {error}", where=self.root.absolute()) from None
        return files


def _was_made(info: Mapping[str, Any]) -> bool:
    """Whether git holds a file, or dvc.lock its hash: DVC lists the outputs of stages that never ran, too."""
    return "fs_info" in info or "md5" in info


def of_revision(root: Path, name: str, tolerance: float | None = None) -> tuple[Revision, Baseline]:
    """A revision, and its gated metrics as a baseline.

    Raises:
        CytopipeError: as `Revision`; when it has no results; when its test images are not known.
    """
    revision = Revision(root, name)
    baseline = baseline_of(revision, tolerance)
    if not baseline:
        raise CytopipeError(
            f"{name} has no results",
            where=root.absolute(),
            hint="its dvc.lock must name them: `dvc repro` (or `dvc commit` after Snakemake), then commit dvc.lock",
        )
    return revision, baseline
