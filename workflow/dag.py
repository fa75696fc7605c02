"""Snakemake's view of dvc.yaml: every stage as a rule. Light to import: no pandas, torch or MLflow.

DVC resolves the templates; nothing is defined a second time here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dvc.dependency import ParamsDependency
from dvc.repo import Repo


@dataclass(frozen=True)
class Output:
    """A file or folder that a rule writes. Names have no dots, so a path without a suffix is a folder."""

    path: str

    @property
    def is_folder(self) -> bool:
        """Whether Snakemake must be told `directory()`."""
        return not Path(self.path).suffix

    @property
    def is_figure(self) -> bool:
        """Whether `snakemake --report` shows it."""
        return self.path.endswith(".png")

    @property
    def title(self) -> str:
        """Name of the figure in the report."""
        return Path(self.path).stem


@dataclass(frozen=True)
class Rule:
    """One stage of dvc.yaml, resolved.

    Attributes:
        stage: as DVC addresses it, such as train_classifier@small.
        command: its shell command.
        inputs: files and folders.
        outputs: files and folders.
        params: values of its parameters; a change reruns it.
        meta: threads, gpu, mem_mb and runtime (minutes).
    """

    stage: str
    command: str
    inputs: Sequence[str]
    outputs: Sequence[Output]
    params: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """A Snakemake identifier."""
        return re.sub(r"\W", "_", self.stage)

    @property
    def category(self) -> str:
        """Heading in the report: the stage without its item."""
        return self.stage.partition("@")[0]

    @property
    def item(self) -> str:
        """Sub-heading in the report: dataset, segmenter or classifier."""
        return self.stage.partition("@")[2] or self.stage


class Dag:
    """All rules of a project.

    Args:
        root: folder with dvc.yaml.
    """

    def __init__(self, root: str = ".") -> None:
        self._root = Path(root)
        self._stages = list(Repo(root).index.stages)

    @cached_property
    def rules(self) -> list[Rule]:
        """In the order of dvc.yaml."""
        produced = [out.def_path for stage in self._stages for out in stage.outs]
        return [self._rule(stage, produced) for stage in self._stages]

    @property
    def targets(self) -> list[str]:
        """Outputs that no rule reads: what a whole run is for."""
        read = {path for rule in self.rules for path in rule.inputs}
        return [out.path for rule in self.rules for out in rule.outputs if out.path not in read]

    def _rule(self, stage: Any, produced: Sequence[str]) -> Rule:
        params = {
            f"{dep.def_path}:{name}": value
            for dep in stage.deps
            if isinstance(dep, ParamsDependency)
            for name, value in dep.read_params().items()
        }
        paths = [dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)]
        inputs = list(dict.fromkeys(path for dep in paths for path in self._expand(dep, produced)))
        outputs = [Output(out.def_path) for out in stage.outs]
        return Rule(stage.addressing, stage.cmd, inputs, outputs, params, stage.meta or {})

    def _expand(self, dep: str, produced: Iterable[str]) -> Iterable[str]:
        """Snakemake does not see edits inside a folder: a folder stands as its files, unless a rule writes it whole."""
        if dep in produced:
            return [dep]
        if inside := [out for out in produced if out.startswith(f"{dep}/")]:
            return inside
        folder = self._root / dep
        if folder.is_dir():
            files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
            return sorted(
                path.relative_to(self._root).as_posix() if not Path(dep).is_absolute() else str(path) for path in files
            )
        return [dep]
