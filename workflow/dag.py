"""The stages of dvc.yaml as rules for Snakemake. Light to import: no pandas, torch or MLflow.

DVC resolves the templates (`resolved.py`), so that nothing is defined twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from workflow.resolved import Stage, resolve

from cytopipe.paths import PARAMS

CODE = "src/"


@dataclass(frozen=True)
class Output:
    """A file or folder that a rule writes. Names of entries have no dots, so that a path without a suffix is a folder.

    Attributes:
        path: path relative to the root of the project.
        title: title of a figure in the report.
    """

    path: str
    title: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether it must be declared as `directory()` for Snakemake."""
        return not Path(self.path).suffix

    @property
    def holds_figures(self) -> bool:
        """Whether it is a folder of which `snakemake --report` shows every figure."""
        return self.is_folder and Path(self.path).name == "figures"

    @property
    def is_figure(self) -> bool:
        """Whether `snakemake --report` shows it."""
        return self.path.endswith(".png")


@dataclass(frozen=True)
class Rule:
    """A resolved stage of dvc.yaml.

    Attributes:
        name: name in DVC, such as train_classifier@small.
        heading: description of the stage, `desc` in dvc.yaml.
        command: shell command.
        inputs: files and folders that it reads.
        outputs: files and folders that it writes.
        params: values of its parameters and fingerprints of folders; a change of any reruns the rule.
        meta: threads, gpu, mem_mb and runtime (minutes).
    """

    name: str
    heading: str
    command: str
    inputs: Sequence[str]
    outputs: Sequence[Output]
    params: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def category(self) -> str:
        """Name of the stage without the item."""
        return self.name.partition("@")[0]

    @property
    def item(self) -> str:
        """Sub-heading in the report: dataset, segmenter, classifier or screening."""
        return self.name.partition("@")[2] or self.name

    @property
    def gpus(self) -> int:
        """Number of GPUs to reserve; 0 if the parameters keep the stage on the CPU."""
        return 0 if self.params.get(f"{PARAMS}:runtime.device") == "cpu" else self.meta["gpu"]


@dataclass(frozen=True)
class Family:
    """The rules of one stage for several entries as one rule with the wildcard `item`, which Slurm can run as an array.

    Attributes:
        name: name of the stage, such as train_classifier.
        rules: by entry.
    """

    name: str
    rules: Mapping[str, Rule]

    @property
    def first(self) -> Rule:
        """One of them, for what all have in common."""
        return next(iter(self.rules.values()))

    @property
    def heading(self) -> str:
        """Heading in the report."""
        return self.first.heading

    @property
    def item(self) -> str:
        """Sub-heading in the report: Snakemake puts the entry in."""
        return "{item}"

    @property
    def outputs(self) -> list[Output]:
        """The outputs with `{item}` for the entry, which is where the paths of two entries differ."""
        one, other = list(self.rules.values())[:2]
        return [
            Output(_pattern(ours.path, theirs.path), ours.title)
            for ours, theirs in zip(one.outputs, other.outputs, strict=True)
        ]


class Dag:
    """All rules of a project.

    Args:
        root: folder with dvc.yaml and params.yaml.
        git: whether it must be a git repository, as DVC wants it; a job on another machine gets its files alone.

    Raises:
        CytopipeError: params.yaml is invalid, or DVC cannot resolve dvc.yaml.
    """

    def __init__(self, root: str = ".", *, git: bool = True) -> None:
        self._root = Path(root)
        self._stages = resolve(self._root, git=git)

    @cached_property
    def rules(self) -> list[Rule]:
        """All rules in the order of dvc.yaml."""
        produced = [out for stage in self._stages for out in stage.outs]
        return [self._rule(stage, produced) for stage in self._stages]

    @cached_property
    def families(self) -> list[Family]:
        """Stages with several entries."""
        found: dict[str, dict[str, Rule]] = {}
        for rule in self.rules:
            found.setdefault(rule.category, {})[rule.item] = rule
        return [Family(name, rules) for name, rules in found.items() if len(rules) > 1]

    @property
    def targets(self) -> list[str]:
        """All outputs; Snakemake recreates a missing output only if it is a target."""
        return [out.path for rule in self.rules for out in rule.outputs]

    def _rule(self, stage: Stage, produced: Sequence[str]) -> Rule:
        inputs = list(dict.fromkeys(path for dep in stage.deps for path in self._expand(dep, produced)))
        users = [path for path in inputs if path not in produced and (self._root / path).is_dir()]
        params = stage.params | {path: fingerprint(self._root / path) for path in users}
        titles = {Path(path).with_suffix(""): title for path, title in stage.titles.items()}
        outputs = [Output(out, _figure_title(Path(out), titles)) for out in stage.outs]
        return Rule(stage.name, stage.heading, stage.command, inputs, outputs, params, stage.meta)

    def _expand(self, dep: str, produced: Iterable[str]) -> Iterable[str]:
        """The paths that represent a dependency in Snakemake.

        A file inside an output is replaced by that output, because no rule creates the file. Snakemake does not notice
        edits inside a folder, so that a folder of code, or of outputs of several rules, is replaced by these.
        """
        if around := [out for out in produced if dep.startswith(f"{out}/")]:
            return around
        if inside := [out for out in produced if out.startswith(f"{dep}/")]:
            return inside
        if dep.startswith(CODE) and (folder := self._root / dep).is_dir():
            return sorted(path.relative_to(self._root).as_posix() for path in folder.rglob("*") if is_source(path))
        return [dep]


def _pattern(one: str, other: str) -> str:
    """A path in which `{item}` stands where it differs from that of another entry."""
    pairs = zip(one.split("/"), other.split("/"), strict=True)
    return "/".join(ours if ours == theirs else "{item}" for ours, theirs in pairs)


def _figure_title(path: Path, titles: Mapping[Path, str]) -> str:
    """Title of the plot with the figure's name, without the leading item; otherwise the name in words."""
    plot = titles.get(path.with_suffix(""), "")
    return plot.partition(": ")[2] or path.stem.replace("_", " ")


def is_source(path: Path) -> bool:
    """Whether a path inside a folder of code is a source file, not a cache of Python."""
    return path.is_file() and "__pycache__" not in path.parts


def fingerprint(folder: Path) -> str:
    """A hash of the names, sizes and modification times of all files in a folder, by which Snakemake notices changes.

    For 27,558 files it takes 0.2 s; as inputs of a rule they would take 2 s, and every message would list them all.
    """
    digest = hashlib.sha256()
    for root, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        for name in sorted(names):
            path = Path(root, name)
            with contextlib.suppress(FileNotFoundError):  # a broken link, which the stage reports
                state = path.stat()
                digest.update(repr((str(path.relative_to(folder)), state.st_size, state.st_mtime_ns)).encode())
    return digest.hexdigest()
