"""The files of a git revision: those in git, and outputs in its dvc.lock, from the cache or a remote of DVC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cytopipe.errors import CytopipeError
from cytopipe.gate.baseline import Baseline, baseline_of


@dataclass(frozen=True)
class Revision:
    """A revision of the project in `root`, read without a checkout.

    Every method raises a CytopipeError if there is no such revision or DVC project, or if an output is neither in the
    cache nor in a remote.
    """

    root: Path
    name: str

    def read(self, path: str) -> bytes:
        """Read a file in git or an output of DVC; `path` is relative to the root of the project."""
        with self._fetching(path):
            info = self._files.info(path)
        if not _was_made(info):
            raise FileNotFoundError(path)
        with self._fetching(path):
            try:
                with self._files.open(path, "rb") as file:
                    return bytes(file.read())
            except FileNotFoundError as error:  # dvc.lock names it, so that it is missing from the cache
                raise OSError(str(error)) from error

    def details_files(self) -> list[str]:
        """Sorted paths of results/**/details.json."""
        with self._fetching("results"):
            found = self._files.find("results", detail=True) if self._files.exists("results") else {}
        return sorted(path for path, info in found.items() if path.endswith("/details.json") and _was_made(info))

    @contextmanager
    def _fetching(self, path: str) -> Iterator[None]:
        """Turn what DVC raises about an output that it cannot get, a file or a whole folder, into one error."""
        from dvc.exceptions import DvcException
        from dvc_data.index import DataIndexError

        try:
            yield
        except FileNotFoundError:
            raise
        except (OSError, DvcException, DataIndexError):
            raise CytopipeError(
                f"the output of {self.name} is in neither DVC's cache nor a remote",
                where=path,
                hint=f"`dvc fetch --all-branches` where a remote holds it; else run `dvc repro` on {self.name} once",
            ) from None

    @cached_property
    def _files(self) -> Any:
        """DVC's view of the revision, cached because it reads every stage."""
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
    """Whether git contains a file, or dvc.lock its hash: DVC also lists outputs of stages that never ran."""
    return "fs_info" in info or "md5" in info


def of_revision(root: Path, name: str, tolerance: float | None = None) -> tuple[Revision, Baseline]:
    """A revision, and its gated metrics as a baseline.

    Args:
        root: root folder of the project.
        name: name of the revision, such as a branch or commit.
        tolerance: tolerance of every metric; by default that of the registry.

    Raises:
        CytopipeError: if the revision cannot be read, has no results, or its test images are unknown.
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
