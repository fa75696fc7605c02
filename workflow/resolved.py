"""The stages of dvc.yaml with its templates resolved by DVC, and kept until dvc.yaml or params.yaml changes.

Snakemake reads the Snakefile again for every job; each would import DVC and resolve everything anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from cytopipe.errors import CytopipeError
from cytopipe.paths import PARAMS, STATE

KEPT = STATE / "dag.json"


@dataclass(frozen=True)
class Stage:
    """A stage as DVC resolves it.

    Attributes:
        name: such as train_classifier@small.
        heading: description of the stage.
        command: shell command.
        deps: files and folders that it reads.
        params: values of its parameters, by file and key.
        outs: files and folders that it writes.
        titles: titles of its plots, by path.
        meta: threads, gpu, mem_mb and runtime (minutes); the first three for all devices of a stage that is `shared`.
    """

    name: str
    heading: str
    command: str
    deps: list[str]
    params: dict[str, Any]
    outs: list[str]
    titles: dict[str, str]
    meta: dict[str, Any]

    @classmethod
    def of(cls, stage: Any, more: Mapping[str, Any]) -> Self:
        """From a stage of DVC's index.

        Args:
            stage: the stage.
            more: parameters of stages that train on several devices, by their keys in `runtime`. dvc.yaml cannot name
                them, because DVC refuses a file without one that it names; those that are left out have their defaults.
        """
        from dvc.dependency import ParamsDependency

        params = {
            f"{dep.def_path}:{name}": value
            for dep in stage.deps
            if isinstance(dep, ParamsDependency)
            for name, value in dep.read_params().items()
        }
        meta = dict(stage.meta or {})
        if meta.pop("shared", False):
            params |= {f"{PARAMS}:runtime.{name}": value for name, value in more.items()}
            meta |= {name: meta[name] * more.get("devices", 1) for name in ("threads", "gpu", "mem_mb")}
        titled = {out.def_path: out.plot for out in stage.outs if isinstance(out.plot, dict) and "title" in out.plot}
        return cls(
            name=stage.name,
            heading=stage.desc or stage.name,
            command=stage.cmd,
            deps=[dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)],
            params=params,
            outs=[out.def_path for out in stage.outs],
            titles={path: plot["title"] for path, plot in titled.items()},
            meta=meta,
        )


def resolve(root: Path, *, git: bool = True) -> list[Stage]:
    """All stages of the project, in the order of dvc.yaml; `git`: whether it must be a git repository.

    Raises:
        CytopipeError: params.yaml is invalid, or DVC cannot resolve dvc.yaml.
    """
    digest = hashlib.sha256(f"{version('dvc')} {hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}".encode())
    for name in ("dvc.yaml", PARAMS):
        path = root / name
        digest.update(hashlib.sha256(path.read_bytes() if path.is_file() else b"").digest())
    key = digest.hexdigest()
    text = _kept(root / KEPT, key) or _keep(root / KEPT, key, _resolve(root, git))
    return [Stage(**stage) for stage in json.loads(text)["stages"]]


def _resolve(root: Path, git: bool) -> list[Stage]:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    from cytopipe.core.params import load_params, refuse_former_values
    from cytopipe.core.pipeline.project import GIT_INIT, lacks_git

    runtime = load_params(root / PARAMS).runtime
    more = runtime.model_dump(include={"devices", "sync_batch_norm"})  # without those that have their defaults
    refuse_former_values(root / PARAMS)
    config = None if git else {"core": {"no_scm": True}}
    try:
        return [Stage.of(stage, more) for stage in Repo(str(root), config=config).index.stages]
    except DvcException as error:
        hint = GIT_INIT if lacks_git(root) else None
        raise CytopipeError(str(error), where="dvc.yaml", hint=hint) from error


def _kept(file: Path, key: str) -> str | None:
    """The kept text, if it was made from these files."""
    try:
        text = file.read_text(encoding="utf-8")
        return text if json.loads(text)["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):  # nothing was kept, or it is damaged
        return None


def _keep(file: Path, key: str, stages: list[Stage]) -> str:
    """Keep the stages for the next reader; a project that cannot be written to does without."""
    from cytopipe.core.io.atomic import write_text

    text = json.dumps({"key": key, "stages": [asdict(stage) for stage in stages]})
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, text)
    except OSError:
        return text
    return text
