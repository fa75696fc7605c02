"""Kills of a running pipeline by SIGKILL, at places and moments that a seed draws, and what must hold after each.

`faults/chaos.py` runs them by the dozen, `faults/test_chaos.py` some of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil
import yaml
from workflow.dag import Dag

from cytopipe.core.pipeline.last_runs import last_run
from engine_projects import LEFTOVERS, ROOT, Project

Victim = Literal["engine", "stage", "worker", "group"]
ENGINES, VICTIMS = ("dvc", "snakemake"), ("engine", "stage", "worker", "group")
MARK = "CYTOPIPE_CHAOS"  # in the environment of every process of a pass, whoever adopted it
START_S = 1.0  # of a stage, before its own clock runs
TAIL = 1.1  # moments may lie a little after the stage, while the engine takes its outputs
ORPHAN_S, END_S = 20.0, 600.0
POLL_S = 0.03


@dataclass(frozen=True)
class Marked(Project):
    """A project whose processes can be told from all others."""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {MARK: str(self.folder)}


@dataclass(frozen=True)
class Kill:
    """One kill.

    Attributes:
        number: 0, 1 and so on.
        engine: dvc or snakemake.
        victim: what is killed.
        stage: the stage whose outputs are deleted before, so that the pass begins with it.
        share: the moment, as a share of the time that the deleted stages took undisturbed.
    """

    number: int
    engine: str
    victim: str
    stage: str
    share: float


@dataclass
class Outcome:
    """What a kill hit, and what was wrong afterwards.

    Attributes:
        kill: the kill.
        running: the stages that ran at that moment; empty between stages.
        hit: what was killed: a worker only where one ran.
        seconds: from the start of the first stage to the kill.
        resumed: whether a training went on after its last epoch.
        faults: in words; empty if all that must hold does.
    """

    kill: Kill
    running: Sequence[str] = ()
    hit: str = ""
    seconds: float = 0.0
    resumed: bool = False
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """One line."""
        kill, verdict = self.kill, "; ".join(self.faults) or ("resumed, whole" if self.resumed else "whole")
        place = ", ".join(self.running) or "between stages"
        return f"{kill.number + 1:3} {kill.engine:9} {self.hit:6} after {self.seconds:5.1f} s in {place}: {verdict}"


def drawn_by() -> int:
    """The seed of the tests: `CYTOPIPE_CHAOS_SEED`, or another one for every commit."""
    if given := os.environ.get("CYTOPIPE_CHAOS_SEED"):
        return int(given)
    command = ["git", "rev-parse", "--short=8", "HEAD"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return int(found.strip() or "0", 16) % 10**6


def draw(seed: int, count: int, stages: Sequence[str], weights: Mapping[str, float] | None = None) -> list[Kill]:
    """Kills in which engines and victims take turns, and every stage is met before one is met again.

    Args:
        seed: of the draws.
        count: number of kills.
        stages: all stages in the order of the DAG. The kills of an engine go backwards through it, round by round, so
            that no stage before the killed one is out of date.
        weights: a stage with a larger one is met earlier, and so more often where there are fewer kills than stages.
    """
    random_ = random.Random(seed)
    share = -(-count // len(ENGINES))
    turns = dict[str, Iterator[str]]()
    for engine in ENGINES:
        names = list[str]()
        while len(names) < share:
            # A draw without replacement by weights (Efraimidis and Spirakis 2006, doi:10.1016/j.ipl.2005.11.003).
            keys = {stage: random_.random() ** (1 / (weights[stage] if weights else 1)) for stage in stages}
            some = sorted(keys, key=keys.__getitem__, reverse=True)[: share - len(names)]
            names += [stage for stage in reversed(stages) if stage in some]
        turns[engine] = iter(names)
    kills = []
    for number in range(count):
        engine = ENGINES[number % len(ENGINES)]
        victim = VICTIMS[(number // len(ENGINES)) % len(VICTIMS)]
        kills.append(Kill(number, engine, victim, next(turns[engine]), random_.uniform(0, TAIL)))
    return kills


class Pipeline:
    """A finished project that is killed and run again, over and over.

    Args:
        folder: of the project; it is changed, and whole again after each kill.
        undisturbed: SHA-256 of every output of the undisturbed run.
        whole_pass: whether a pass runs the stage and all that follow; else the stage alone, which is cheaper.
    """

    def __init__(self, folder: Path, undisturbed: Mapping[str, str], *, whole_pass: bool) -> None:
        self.project, self.undisturbed, self.whole_pass = Marked(folder), undisturbed, whole_pass
        self.rules = {rule.name: rule for rule in Dag(str(folder)).rules}
        self._lock = recorded(folder)

    def suffer(self, kill: Kill) -> Outcome:
        """Delete the outputs, run, kill, run again, and look at everything."""
        outcome = self._disturb(kill)
        if left := self._await_orphans():
            outcome.faults.append(f"orphans: {left}")
        outcome.faults += [f"half: {name}" for name in self._half_files()]
        try:
            self.project.run("python", "workflow/check_project.py")  # as `make repro` begins
            said = self.project.run(*self._command(kill))
        except AssertionError as error:
            outcome.faults.append(f"the next run fails: {str(error)[-1500:]}")
            return outcome
        outcome.resumed = "resuming after epoch" in said
        outcome.faults += self._faults()
        return outcome

    def _command(self, kill: Kill) -> list[str]:
        alone = [] if self.whole_pass else [kill.stage]
        if kill.engine == "dvc":
            return ["dvc", "repro", "--no-run-cache", *(["--single-item", *alone] if alone else [])]
        return ["snakemake", "--cores", "2", *alone]

    def _deleted(self, stage: str) -> list[str]:
        """The stages whose outputs are deleted: one, or with all that follow."""
        found = [stage]
        if self.whole_pass:
            for rule in self.rules.values():  # in the order of the DAG
                made = [output.path for name in found for output in self.rules[name].outputs]
                if rule.name != stage and any(_overlap(one, other) for one in rule.inputs for other in made):
                    found.append(rule.name)
        return found

    def _disturb(self, kill: Kill) -> Outcome:
        """One pass with its kill; where the pass was faster than the moment, another with half the time."""
        share, victim, random_ = kill.share, kill.victim, random.Random(kill.number)
        while True:
            deleted = self._deleted(kill.stage)
            took = sum(last_run(name, self.project.folder).seconds or 1.0 for name in deleted)
            for name in deleted:
                for output in self.rules[name].outputs:
                    _remove(self.project.folder / output.path)
            forget_in_lock(self.project.folder, deleted)
            engine = self.project.start(*self._command(kill))
            outcome = _kill_after(engine, victim, share * (took + START_S), kill, random_)
            if outcome is not None:
                engine.wait(END_S)
                return outcome
            assert engine.wait() == 0, self.project.log.read_text()
            share /= 2
            victim = "stage" if victim == "worker" else victim  # none ran

    def _await_orphans(self) -> list[str]:
        """The command lines of processes that outlive the pass for long."""
        deadline = time.monotonic() + ORPHAN_S
        while (left := marked(self.project.folder)) and time.monotonic() < deadline:
            time.sleep(0.2)
        return [" ".join(words)[:80] for words in left]

    def _half_files(self) -> Iterator[str]:
        """Files of outputs after a kill that are not the undisturbed run's; hidden ones are no outputs."""
        for name, digest in self.project.sums().items():
            hidden = any(part.startswith(".") for part in Path(name).parts)
            if not hidden and digest != self.undisturbed.get(name):
                yield name

    def _faults(self) -> Iterator[str]:
        """All that is not as after an undisturbed run."""
        folder, sums = self.project.folder, self.project.sums()
        for name in sorted(self.undisturbed.keys() | sums.keys()):
            if self.undisturbed.get(name) != sums.get(name):
                yield f"{'differs' if name in sums else 'missing'}: {name}"
        if recorded(folder) != self._lock:
            yield "dvc.lock differs"
        if left := marked(folder):
            yield f"orphans of the second run: {left}"
        yield from (f"lock: {file.name}" for file in held_locks(folder))
        yield from (f"left: {file.relative_to(folder)}" for file in leftovers(folder))
        yield from (f"MLflow: {run} is RUNNING" for run in running_runs(folder / "mlflow.db"))
        changed = set(self.project.run("git", "status", "--porcelain").split()) - {"??", "dvc.lock"}
        yield from (f"git: {name}" for name in changed)


def _kill_after(
    engine: subprocess.Popen[bytes], victim: str, seconds: float, kill: Kill, random_: random.Random
) -> Outcome | None:
    """Kill some time after the first stage was seen; None if the pass ends before."""
    began: float | None = None
    while engine.poll() is None:
        family = _family(engine.pid)
        stages = {process: name for process in family if (name := stage_of(process))}
        if began is None and stages:
            began = time.monotonic()
        if began is not None and (waited := time.monotonic() - began) >= seconds:
            workers = [one for stage in stages for one in _family(stage.pid) if one not in stages]
            among = {"stage": list(stages), "worker": workers}.get(victim, [psutil.Process(engine.pid)])
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, IndexError):
                if victim == "group":
                    os.killpg(engine.pid, signal.SIGKILL)
                else:
                    random_.choice(among).kill()
                return Outcome(kill, sorted(set(stages.values())), victim, waited)
        time.sleep(POLL_S)
    return None


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def stage_of(process: psutil.Process) -> str | None:
    """`stage@item` of a process that runs a stage's script; None for shells around it and for others."""
    with contextlib.suppress(psutil.Error):
        words = process.cmdline()
        script = re.fullmatch(r"stages/(\w+)\.py", words[1]) if len(words) > 1 else None
        if script and "python" in Path(words[0]).name:
            return "@".join((script[1], *words[2:3]))
    return None


def marked(folder: Path) -> list[list[str]]:
    """Command lines of the living processes of a project's passes, by a variable that they inherited."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.cmdline())
    return found


def held_locks(folder: Path) -> Iterator[Path]:
    """Locks of stages and GPUs, of DVC and of Snakemake that are still held."""
    for file in [*(folder / ".cytopipe/locks").glob("*.lock"), folder / ".dvc/tmp/lock"]:
        if file.exists():
            with file.open("a") as opened:
                try:
                    fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    yield file
    yield from (folder / ".snakemake/locks").glob("*.lock")
    rwlock = folder / ".dvc/tmp/rwlock"
    if rwlock.exists() and "pid" in rwlock.read_text():
        yield rwlock


def leftovers(folder: Path) -> Iterator[Path]:
    """Working files that an undisturbed run removes."""
    for name in ("checkpoints", "scratch"):
        yield from (path for path in (folder / ".cytopipe" / name).rglob("*") if path.is_file())
    for name in ("data", "models", "results"):
        hidden = (path for path in (folder / name).rglob(".*") if path.name not in LEFTOVERS)
        yield from (path for path in hidden if path.name.endswith((".partial", ".old")))


def running_runs(database: Path) -> list[str]:
    """Names of MLflow's runs that pretend to run."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        return [name for (name,) in opened.execute("SELECT name FROM runs WHERE status = 'RUNNING'")]


def recorded(folder: Path) -> dict[str, Any]:
    """What dvc.lock says of each stage; nothing where Snakemake ran."""
    file = folder / "dvc.lock"
    return dict(yaml.load(file.read_text(), yaml.CSafeLoader)["stages"]) if file.exists() else {}


def forget_in_lock(folder: Path, stages: Collection[str]) -> None:
    """Take stages out of dvc.lock: else DVC takes their outputs from its cache, and runs nothing."""
    if stages_ := recorded(folder):
        kept = {name: stage for name, stage in stages_.items() if name not in stages}
        (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": kept}, sort_keys=False))


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
