"""How far a project is: which stages are done, running, failed or waiting, and what the waiting ones cost last time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from cytopipe import paths
from cytopipe.core.io import flock
from cytopipe.core.params import load_params
from cytopipe.core.params.found import as_named
from cytopipe.core.pipeline.description import Description, Values, read_description
from cytopipe.core.pipeline.epochs import duration
from cytopipe.core.pipeline.last_runs import LastRun, last_run
from cytopipe.errors import CytopipeError

State = Literal["done", "running", "failed", "waiting"]


class Standing(NamedTuple):
    """One stage for one entry.

    Attributes:
        label: `stage` or `stage@item`, in the order in which they run.
        state: waiting stages have changed inputs, parameters or code, or come after one that has.
        why: what changed, of a stage that waits by itself; empty for one that only comes after others.
        last: its last run on this machine.
    """

    label: str
    state: State
    why: str
    last: LastRun


def standings(root: Path, changed: Mapping[str, str] | None = None) -> list[Standing]:
    """The stages of a project.

    Args:
        root: the project.
        changed: labels of stages that DVC would run by themselves, with the reason; None asks `dvc status`.

    Raises:
        CytopipeError: params.yaml is invalid, or DVC cannot say what changed.
    """
    values = as_named(load_params(root / paths.PARAMS).model_dump(mode="json"))
    description = read_description(root / "dvc.yaml")
    changed = _changed(root) if changed is None else changed
    found: list[Standing] = []
    stale: list[str] = []  # outputs of stages that wait
    for name, item in _in_order(description, values):
        label, stage = f"{name}@{item}" if item else name, description.stages[name]
        inputs = [path for inner in description.inputs(name, item, values).values() for path in inner]
        after = any(_touches(path, stale) for path in inputs)
        last, state = last_run(label, root), "done"
        if label in changed or after:
            state = "failed" if last.failed else "waiting"
            stale += stage.resolve(stage.outs, item, values)
        if _is_running(root / paths.LOCKS / f"{label}.lock"):
            state = "running"
        found.append(Standing(label, state, changed.get(label, ""), last))  # type: ignore[arg-type]
    return found


def told(found: Sequence[Standing]) -> str:
    """The stages as lines, and in the last one what is left to do and its cost."""
    width = max((len(one.label) for one in found), default=0)
    lines = []
    for one in found:
        took = f"{duration(one.last.seconds)} last time" if one.last.seconds is not None else ""
        log = paths.LOGS / f"{one.label}.log"
        more = [took, one.why, f"see {log.as_posix()}" if one.state == "failed" and log.is_file() else ""]
        lines.append(f"{one.state:8} {one.label.ljust(width)}  {'; '.join(filter(None, more))}".rstrip())
    left = [one for one in found if one.state != "done"]
    if not left:
        return "\n".join([*lines, "", f"All {len(found)} stages are done."])
    known = [one.last.seconds for one in left if one.last.seconds is not None]
    cost = (
        f"at most {duration(sum(known))} by the last times" if known else "never run here, so their time is not known"
    )
    unknown = f", and {len(left) - len(known)} that never ran here" if known and len(known) < len(left) else ""
    return "\n".join([*lines, "", f"{len(left)} of {len(found)} stages are left: {cost}{unknown}."])


def _in_order(description: Description, values: Values) -> Iterator[tuple[str, str]]:
    """Stages with their entries, each after those whose outputs it reads."""
    waiting = [
        (name, item)
        for name, stage in description.stages.items()
        for item in (values[stage.section] if stage.section else [""])
    ]
    outputs = {
        one: description.stages[one[0]].resolve(description.stages[one[0]].outs, one[1], values) for one in waiting
    }
    while waiting:
        ahead = [path for one in waiting for path in outputs[one]]
        for one in waiting:
            own = set(outputs[one])
            inputs = [path for inner in description.inputs(*one, values).values() for path in inner]
            if not any(_touches(path, [other for other in ahead if other not in own]) for path in inputs):
                yield one
                waiting.remove(one)
                break
        else:  # a circle, which DVC refuses
            yield from waiting
            return


def _touches(path: str, outputs: Collection[str]) -> bool:
    """Whether a path is one of these outputs, or lies in one, or holds one."""
    return any(path == one or path.startswith(f"{one}/") or one.startswith(f"{path}/") for one in outputs)


def _is_running(lock: Path) -> bool:
    """Whether a process holds the stage's lock."""
    try:
        file = lock.open("r+", encoding="utf-8")
    except OSError:
        return False
    with file:
        try:
            flock.lock(file, wait=False)
        except BlockingIOError:
            return True
        flock.unlock(file)
    return False


def _changed(root: Path) -> dict[str, str]:
    """Stages that DVC would run, with what changed for them; nothing runs."""
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    try:
        return {label: _reasons(parts) for label, parts in json.loads(done.stdout).items()}
    except (ValueError, AttributeError):
        lines = done.stderr.strip().splitlines() or ["no answer"]
        raise CytopipeError(f"DVC cannot say what changed: {lines[-1]}", where=root, hint="dvc status") from None


def _reasons(parts: Sequence[Any]) -> str:
    """Names of the changed dependencies, parameters and outputs, the first three."""
    names: dict[str, None] = {}
    for part in parts:
        for what in part.values() if isinstance(part, dict) else [{str(part).removeprefix("changed "): None}]:
            for name, inner in what.items() if isinstance(what, dict) else [(str(what), None)]:
                names.update(dict.fromkeys(inner if isinstance(inner, dict) else [str(name)]))
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"changed: {', '.join([*names][:3])}{more}" if names else "changed"
