"""What lies in the folder of a project, as DVC sees it: stages in the order of the DAG, hashes, parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from cytopipe.core.params import Params, load_params
from cytopipe.errors import CytopipeError
from cytopipe.paths import PARAMS


class PresentStage:
    """A stage and its files. Hashes are MD5 as in dvc.lock: of a file, or with `.dir` of a folder's list of files.

    DVC remembers the hash of a file until its size, time or inode changes.

    Attributes:
        label: `name` or `name@item`.
        before: labels of the stages whose outputs it reads.
    """

    def __init__(self, stage: Any, before: tuple[str, ...], produced: frozenset[str]) -> None:
        self.label: str = stage.name
        self.before = before
        self._stage, self._produced = stage, produced

    @cached_property
    def outputs(self) -> dict[str, str | None]:
        """Hash of every output on the disk; None for one that is not there."""
        return {out.def_path: _hash(out) for out in self._stage.outs}

    @cached_property
    def locked(self) -> dict[str, str | None]:
        """Hash of every output in the dvc.lock here; None for one that dvc.lock does not have."""
        return {out.def_path: out.hash_info.value if out.hash_info else None for out in self._stage.outs}

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """The outputs that hold metrics."""
        return tuple(out.def_path for out in self._stage.outs if out.metric)

    @cached_property
    def params(self) -> dict[str, Any]:
        """Present values of its parameters, by dotted name."""
        read = (dep.read_params() for dep in self._stage.deps if hasattr(dep, "read_params"))
        return {name: value for values in read for name, value in values.items()}

    @cached_property
    def sources(self) -> dict[str, str | None]:
        """Hash of every dependency that no stage makes: code, and files that the user gives."""
        deps = [dep for dep in self._stage.deps if not hasattr(dep, "read_params")]
        return {dep.def_path: _hash(dep) for dep in deps if not self._is_made(dep.def_path)}

    def _is_made(self, path: str) -> bool:
        return any(path == out or path.startswith(f"{out}/") or out.startswith(f"{path}/") for out in self._produced)


class Present:
    """The stages of a project.

    Args:
        root: folder with dvc.yaml and params.yaml.

    Raises:
        CytopipeError: it is not a project of DVC, or dvc.yaml or dvc.lock is invalid.
    """

    def __init__(self, root: Path) -> None:
        from dvc.exceptions import DvcException, NotDvcRepoError
        from dvc.repo import Repo

        self.root = root
        try:
            self._repo = Repo(str(root))
            graph = self._repo.index.graph
        except NotDvcRepoError:
            raise CytopipeError(
                "not a project of DVC", where=root.absolute(), hint="change to the project's root"
            ) from None
        except DvcException as error:
            raise CytopipeError(str(error), where=root / "dvc.yaml") from None
        stages = {stage.name: stage for stage in self._repo.index.stages}
        before = {label: tuple(dep.name for dep in graph.successors(stage)) for label, stage in stages.items()}
        produced = frozenset(out.def_path for stage in stages.values() for out in stage.outs)
        order = TopologicalSorter(before).static_order()
        self.stages: Mapping[str, PresentStage] = {
            label: PresentStage(stages[label], before[label], produced) for label in order
        }

    def __iter__(self) -> Iterator[PresentStage]:
        """The stages in the order of the DAG: after those that they depend on."""
        return iter(self.stages.values())

    @cached_property
    def params(self) -> Params:
        """The content of params.yaml."""
        return load_params(self.root / PARAMS)

    def cached(self, digest: str) -> bytes | None:
        """Content of a file by its MD5, from DVC's cache on this machine; None if the cache does not have it."""
        file = Path(self._repo.cache.local.oid_to_path(digest))
        return file.read_bytes() if file.is_file() else None


def _hash(one: Any) -> str | None:
    if not one.exists:
        return None
    found: str | None = one.get_hash().value
    return found
