"""Time of a run with nothing to do, against the bare engine with the same stages and files but without cytopipe."""

from __future__ import annotations

import shutil
import statistics
import time
from pathlib import Path
from typing import Any

import yaml

from copies import Copy

NOT_COPIED = (".dvc", ".git", ".snakemake", ".cytopipe", "dvc.yaml", "dvc.lock", "Snakefile", "mlruns", "mlflow.db")
NO_WORK = {"dvc": ("dvc", "repro"), "snakemake": ("snakemake", "--cores", "1")}


def measure(finished: Copy, folder: Path, rounds: int) -> dict[str, Any]:
    """Median seconds and ratio for each engine.

    Args:
        finished: project with a finished `dvc repro`.
        folder: folder for the bare project.
        rounds: number of alternating runs.
    """
    bare = _bare(finished, folder / "bare")
    for copy in (finished, bare):
        copy.run("dvc", "commit", "--force", "--quiet")
        copy.run("snakemake", "--touch", "--forceall", "--cores", "1")
    outputs = (path for part in ("data", "models", "results") for path in (finished.folder / part).rglob("*"))
    files = sum(path.is_file() for path in outputs)
    results: dict[str, Any] = {"output_files": files, "rounds": rounds}
    for engine, command in NO_WORK.items():
        seconds: dict[str, list[float]] = {"cytopipe": [], "bare": []}
        for turn in range(rounds + 1):
            for side, copy in (("cytopipe", finished), ("bare", bare)):
                start = time.perf_counter()
                output = copy.run(*command)
                if turn:  # the first warms up
                    seconds[side].append(time.perf_counter() - start)
                elif "up to date" not in output:
                    raise SystemExit(f"{engine} had something to do in {copy.folder}:\n{output}")
        ratios = [a / b for a, b in zip(seconds["cytopipe"], seconds["bare"], strict=True)]
        results[engine] = {
            "ratio": round(statistics.median(ratios), 2),
            **{side: round(statistics.median(values), 2) for side, values in seconds.items()},
        }
    return results


def _bare(finished: Copy, folder: Path) -> Copy:
    """A project with the same stages, inputs and outputs, in a dvc.yaml and a Snakefile without templates."""
    from dvc.dependency import ParamsDependency
    from dvc.repo import Repo
    from workflow.dag import Dag

    shutil.copytree(finished.folder, folder, symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
    stages = {
        _name(stage.name): {
            "cmd": "true",
            "deps": [dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)],
            "outs": [out.def_path for out in stage.outs],
        }
        for stage in Repo(str(finished.folder)).index.stages
    }
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    rules = Dag(str(finished.folder)).rules
    outputs = [out for rule in rules for out in rule.outputs]
    text = [f"rule all:\n    input: {[out.path for out in outputs]}\n"]
    for rule in rules:
        made = ", ".join(f"directory({out.path!r})" if out.is_folder else repr(out.path) for out in rule.outputs)
        text.append(f"rule {_name(rule.name)}:\n    input: {list(rule.inputs)}\n    output: {made}\n    shell: 'true'")
    (folder / "Snakefile").write_text("\n".join(text))
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").touch()
    copy = Copy(folder)
    copy.init()
    return copy


def _name(stage: str) -> str:
    return stage.replace("@", "_").replace("-", "_")
