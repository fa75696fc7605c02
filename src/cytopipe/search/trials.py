"""Trials: asked of Optuna one by one, trained from rung to rung, and taken up again after a kill.

A trial has a slot, from 0 on, and its sampler is seeded by the search's seed, the study and the slot. The samplers of
Optuna keep no state in the storage; seeded so, a resumed search draws what it would have drawn undisturbed. A trial
whose process died is recognised by its lock, which died with it, and the next process trains it on from its last epoch.
"""

from __future__ import annotations

import io
import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from cytopipe.core.io.atomic import write_bytes
from cytopipe.core.params import Search
from cytopipe.core.params.searches import rungs
from cytopipe.errors import CytopipeError
from cytopipe.search.halving import goes_on
from cytopipe.search.learner import Learner, Part
from cytopipe.search.space import configure, draw
from cytopipe.search.storage import held

logger = logging.getLogger("cytopipe")
SLOT, FOUND, WHY, SECONDS = "slot", "found", "why", "seconds"  # user attributes of a trial
POLL_S = 0.5
OUT_OF_TIME = "out of time"


@dataclass
class Trials:
    """The trials of one study: all of a search, or those inside one of its outer folds.

    Attributes:
        name: name of the search in params.yaml.
        number: number of the study, which takes part in the seeds.
        search: its parameters.
        learner: trains networks.
        parts: the inner folds.
        folder: of storage, locks, checkpoints and answers.
        storage: Optuna's.
        key: what determines the trials, a part of the study's name in a shared database.
        tell: called with a sentence for each trial that ends.
        minutes: budget of this study.
    """

    name: str
    number: int
    search: Search
    learner: Learner
    parts: Sequence[Part]
    folder: Path
    storage: BaseStorage
    key: str
    tell: Callable[[str], None] = logger.info
    minutes: float | None = None

    def __post_init__(self) -> None:
        self.sign = -1.0 if self.search.measure == "loss" else 1.0
        with held(self.folder / "ask.lock"):
            self.study = optuna.create_study(
                storage=self.storage,
                study_name=f"{self.name}-{self.key}-{self.number}",
                direction="maximize",
                sampler=RandomSampler(seed=0),
                load_if_exists=True,
            )

    def run(self) -> None:
        """Work on trials until all are finished, by this process or by others.

        Raises:
            CytopipeError: no trial could be trained.
        """
        while True:
            with ExitStack() as stack:
                found = self._next(stack)
                if found is not None:
                    self._work(found)
                    continue
            if not self._any_running():
                break
            time.sleep(POLL_S)  # another process trains the last ones; if it dies, its trials come here
        if not self.completed:
            reasons = [str(trial.user_attrs[WHY]) for trial in self.finished if WHY in trial.user_attrs]
            raise CytopipeError(
                f"no trial could be trained: {reasons[0] if reasons else 'none was started'}",
                where=f"searches.{self.name}",
                hint="correct the space or the base",
            )

    @property
    def finished(self) -> list[FrozenTrial]:
        """Trials that ended, by slot."""
        trials = [trial for trial in self._trials() if trial.state.is_finished()]
        return sorted(trials, key=lambda trial: trial.user_attrs[SLOT])

    @property
    def completed(self) -> list[FrozenTrial]:
        """Trials that were trained to the last epoch, by slot."""
        return [trial for trial in self.finished if trial.state == TrialState.COMPLETE]

    @property
    def best(self) -> FrozenTrial:
        """The completed trial with the best objective; of equal ones, the first."""
        return max(self.completed, key=lambda trial: (trial.value, -trial.user_attrs[SLOT]))

    def found(self, trial: FrozenTrial) -> dict[str, Any]:
        """The values that a trial was trained with, by path."""
        values: dict[str, Any] = json.loads(trial.user_attrs[FOUND])
        return values

    def answers(self, trial: FrozenTrial) -> tuple[np.ndarray, np.ndarray]:
        """Indices of all images of the inner folds, and what the networks of a completed trial say of those held out.

        Raises:
            CytopipeError: the file is gone.
        """
        file = self._answers(trial.user_attrs[SLOT])
        try:
            return np.concatenate([part.held for part in self.parts]), np.load(file, allow_pickle=False)
        except (OSError, ValueError):
            raise CytopipeError(
                "the answers of a finished trial are gone",
                where=file,
                hint=f"all processes of a search share this folder; remove {self.folder}, and run it again",
            ) from None

    def _trials(self) -> list[FrozenTrial]:
        """Trials that have their values."""
        return [trial for trial in self.study.get_trials(deepcopy=False) if SLOT in trial.user_attrs]

    def _any_running(self) -> bool:
        return any(trial.state == TrialState.RUNNING for trial in self.study.get_trials(deepcopy=False))

    def _next(self, stack: ExitStack) -> Trial | None:
        """A trial that a dead process left, or a new one, locked until `stack` ends; None if none is to be started."""
        with held(self.folder / "ask.lock"):
            for old in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                if not stack.enter_context(held(self._lock(old.number), wait=False)):
                    continue
                if SLOT in old.user_attrs:
                    logger.info("%s: trial %d goes on", self.name, old.user_attrs[SLOT])
                    return Trial(self.study, old._trial_id)
                self.study.tell(old.number, state=TrialState.FAIL)  # killed while it was drawn: draw it again
            slot = len(self._trials())
            if slot >= self.search.trials or (self.completed and self._out_of_time()):
                return None
            self.study.sampler = self._sampler(slot)
            trial = self.study.ask()
            stack.enter_context(held(self._lock(trial.number)))
            trial.set_user_attr(FOUND, json.dumps(draw(trial, self.search, self.learner), sort_keys=True))
            trial.set_user_attr(SLOT, slot)
            return trial

    def _sampler(self, slot: int) -> BaseSampler:
        seed = int(np.random.SeedSequence([self.search.seed, self.number, slot]).generate_state(1)[0])
        if self.search.sampler == "random":
            return RandomSampler(seed=seed)
        return TPESampler(seed=seed, n_startup_trials=self.search.startup)

    def _work(self, trial: Trial) -> None:
        slot = trial.user_attrs[SLOT]
        folder = self.folder / "checkpoints" / str(slot)
        try:
            ended = self._train(trial, folder)
        except CytopipeError as error:  # values that do not go together, or a loss that is not finite
            trial.set_user_attr(WHY, str(error))
            self.study.tell(trial, state=TrialState.PRUNED)
            ended = f"cannot be trained: {error}"
        self.tell(f"{self.name}: trial {slot} of {self.search.trials} {ended}")
        shutil.rmtree(folder, ignore_errors=True)

    def _train(self, trial: Trial, folder: Path) -> str:
        """Train from rung to rung; returns how it ended."""
        config = configure(self.learner, json.loads(trial.user_attrs[FOUND]), self.name)
        assert config.training is not None  # the base has one
        steps = rungs(config.training.epochs, self.search.halving)
        reported = dict(self.study.get_trials(deepcopy=False)[trial.number].intermediate_values)
        for until in steps:
            start = time.monotonic()
            if until not in reported or until == steps[-1]:
                trained = [
                    self.learner.advance(config, part, until, folder / str(fold))
                    for fold, part in enumerate(self.parts)
                ]
                value = self.sign * float(np.mean([one.value for one in trained]))
                if until not in reported:
                    trial.report(value, until)
                trial.set_user_attr(SECONDS, trial.user_attrs.get(SECONDS, 0.0) + time.monotonic() - start)
            else:
                value = reported[until]
            if until == steps[-1]:
                self._keep(trial, [one.answers for one in trained if one.answers is not None])
                self.study.tell(trial, value)
                return f"has {self.search.measure} {self.sign * value:.4f}"
            if not self._goes_on(trial.number, value, until):
                self.study.tell(trial, state=TrialState.PRUNED)
                return f"stops after epoch {until} with {self.search.measure} {self.sign * value:.4f}"
            if self.completed and self._out_of_time():
                trial.set_user_attr(WHY, OUT_OF_TIME)
                self.study.tell(trial, state=TrialState.FAIL)
                return f"stops after epoch {until}: {OUT_OF_TIME}"
        raise AssertionError("a network has at least one epoch")

    def _goes_on(self, number: int, value: float, until: int) -> bool:
        assert self.search.halving is not None  # there is no rung before the last without it
        others = [
            trial.intermediate_values[until]
            for trial in self._trials()
            if trial.number != number and until in trial.intermediate_values
        ]
        return goes_on(value, others, self.search.halving.factor)

    def _keep(self, trial: Trial, answers: Sequence[np.ndarray]) -> None:
        buffer = io.BytesIO()
        np.save(buffer, np.concatenate(answers))
        file = self._answers(trial.user_attrs[SLOT])
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, buffer.getvalue())

    def _out_of_time(self) -> bool:
        if self.minutes is None:
            return False
        spent = sum(float(trial.user_attrs.get(SECONDS, 0.0)) for trial in self._trials())
        return spent >= 60 * self.minutes

    def _answers(self, slot: int) -> Path:
        return self.folder / "answers" / f"{slot}.npy"

    def _lock(self, number: int) -> Path:
        return self.folder / "running" / f"{number}.lock"
