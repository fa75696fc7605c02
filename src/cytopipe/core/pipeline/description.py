"""A light reader of dvc.yaml: what a stage reads and writes for an entry of params.yaml.

Importing DVC for this would take a second. The templates are resolved here: `${key}` is the name of the entry,
`${item.x}` is a value of the entry, and every other name is a value of params.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from cytopipe.errors import CytopipeError

CODE = ("src/", "stages/")
Values = Mapping[str, Any]  # params.yaml, as plain values

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser takes 10 ms, the Python one 100 ms
_PLACEHOLDER = re.compile(r"\$\{([\w.]+)\}")


@dataclass(frozen=True)
class StageDescription:
    """A stage as dvc.yaml describes it, with unresolved templates.

    Attributes:
        name: name of the stage and of its script.
        section: section of params.yaml; the stage runs once for each of its entries. Empty for a stage that runs once.
        deps: dependencies, both data and code.
        params: names of the parameters it depends on.
        outs: outputs, including metrics and plots.
        gpu: whether it computes on a GPU where there is one.
        shared: whether it trains on `runtime.devices` devices; other stages use one.
    """

    name: str
    section: str
    deps: Sequence[str]
    params: Sequence[str]
    outs: Sequence[str]
    gpu: bool = False
    shared: bool = False

    @property
    def kind(self) -> str:
        """Kind of the section's entries: dataset, segmenter, classifier, search, ...; empty without a section."""
        return self.section.removesuffix("es" if self.section.endswith("ches") else "s")

    @property
    def data(self) -> Sequence[str]:
        """Dependencies that are data."""
        return [dep for dep in self.deps if not dep.startswith(CODE)]

    def resolve(self, templates: Sequence[str], item: str, values: Values) -> list[str]:
        """Resolve templates of this stage for one entry.

        Args:
            templates: some of `deps`, `params` or `outs`.
            item: entry of the section; empty for a stage that runs once.
            values: values of params.yaml.

        Raises:
            CytopipeError: a template names a value that params.yaml lacks.
        """
        scope = {**values, "key": item, "item": values[self.section][item]} if self.section else values
        return [_PLACEHOLDER.sub(lambda found: _look_up(scope, found[1], self.name), text) for text in templates]


@dataclass(frozen=True)
class Description:
    """All stages of a dvc.yaml, by name."""

    stages: Mapping[str, StageDescription]

    @cached_property
    def sections(self) -> frozenset[str]:
        """Sections of params.yaml whose entries some stage runs for."""
        return frozenset(stage.section for stage in self.stages.values() if stage.section)

    def outputs(self, values: Values) -> list[str]:
        """Every output of every stage for every entry."""
        return [
            output
            for stage in self.stages.values()
            for item in (values.get(stage.section, {}) if stage.section else [""])
            for output in stage.resolve(stage.outs, item, values)
        ]

    def inputs(self, name: str, item: str, values: Values) -> dict[str, list[str]]:
        """The data that a stage reads, by dependency.

        Args:
            name: name of the stage.
            item: entry of its section; empty for a stage that runs once.
            values: values of params.yaml.

        Returns:
            For each dependency its own path, or the outputs of stages inside it if it is a parent folder.
        """
        stage = self.stages[name]
        outputs = self.outputs(values)
        return {
            dep: [output for output in outputs if output.startswith(f"{dep}/")] or [dep]
            for dep in stage.resolve(stage.data, item, values)
        }


def read_description(file: Path) -> Description:
    """Read a dvc.yaml.

    Raises:
        CytopipeError: the file is missing or is not YAML.
    """
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except (OSError, yaml.YAMLError) as error:
        raise CytopipeError(f"cannot be read ({error})", where=file, hint="run in the project's root") from None
    return Description({name: _describe(name, stage) for name, stage in content["stages"].items()})


def _describe(name: str, stage: Mapping[str, Any]) -> StageDescription:
    body = stage.get("do", stage)
    outs = [entry for kind in ("outs", "metrics", "plots") for entry in body.get(kind, ())]
    return StageDescription(
        name,
        section="".join(_PLACEHOLDER.findall(stage.get("foreach", ""))),
        deps=tuple(body.get("deps", ())),
        params=tuple(body.get("params", ())),
        outs=tuple(next(iter(entry)) if isinstance(entry, dict) else entry for entry in outs),
        gpu=bool(body.get("meta", {}).get("gpu")),
        shared=bool(body.get("meta", {}).get("shared")),
    )


def _look_up(scope: Values, name: str, stage: str) -> str:
    value: Any = scope
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise CytopipeError(f"stage {stage} asks for '{name}', which params.yaml does not have", where="dvc.yaml")
        value = value[part]
    return str(value)
