"""One MLflow run of one stage execution."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from cytopipe.pipeline.tracking.leftovers import PROCESS, end_leftovers, this_process
from cytopipe.pipeline.tracking.names import MAX_TAG, flatten, safe_name, shorten
from cytopipe.pipeline.tracking.provenance import run_tags
from cytopipe.pipeline.tracking.store import (
    CALL_S,
    bounded,
    open_store,
    project_folder,
    tracking_uri,
    without_credentials,
)

log = logging.getLogger("cytopipe")

# Stores that failed once are left alone for the rest of the process.
_given_up: set[str] = set()

T = TypeVar("T")


class Run(NamedTuple):
    """An open run: the `MlflowClient` of its store, its experiment, itself and its tags."""

    client: Any
    experiment_id: str
    run_id: str
    tags: Mapping[str, str]


class Tracker:
    """One MLflow run of one stage execution; a context manager. Never raises because of MLflow.

    The first fault of any kind logs one warning; after that the process tracks no more, so that a server
    that is down cannot slow a training run.

    Args:
        stage: name of the stage; with the item, the run's name: `train_classifier@hep2-alexnet`.
        item: dataset, segmenter or classifier that the stage runs for.
        experiment: name of the MLflow experiment, created when missing.
        enabled: False does nothing at all, and does not import MLflow.
        params: parameters of the stage, nested.
        inputs: path to SHA-256 of every input.
        root: the project's root; relative store paths are relative to it.
    """

    def __init__(
        self,
        *,
        stage: str,
        item: str | None,
        experiment: str,
        enabled: bool = True,
        params: Mapping[str, object],
        inputs: Mapping[str, str],
        root: Path,
    ) -> None:
        self._stage, self._item, self._experiment, self._enabled = stage, item, experiment, enabled
        self._params, self._inputs, self._root = params, inputs, root
        self._folder = project_folder(root)
        self._uri = tracking_uri(self._folder)
        self._run: Run | None = None

    def __enter__(self) -> Self:
        if self._enabled and self._uri not in _given_up:
            self._safely(self._start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the run as FINISHED, FAILED or KILLED; a fault becomes the run's description."""
        status = _status(error)
        if status != "FINISHED":
            self.tag("mlflow.note.content", f"{type(error).__name__}: {error}")
        self._call(lambda run: run.client.set_terminated(run.run_id, status))
        self._run = None

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log values, of an epoch when `step` is given; what is not finite is dropped with a warning."""
        if self._open is None:
            return
        values = {safe_name(name): _number(value) for name, value in metrics.items()}
        dropped = [name for name, value in values.items() if not math.isfinite(value)]
        if dropped:
            log.warning("not finite, so not sent to MLflow: %s (step %s)", ", ".join(dropped), step)

        def send(run: Run) -> None:
            from mlflow.entities import Metric

            now = int(time.time() * 1000)
            kept = [Metric(name, value, now, step or 0) for name, value in values.items() if math.isfinite(value)]
            run.client.log_batch(run.run_id, metrics=kept, synchronous=True)

        self._call(send)

    def log_figure(self, path: Path, folder: str = "figures") -> None:
        """Store an image file with the run."""
        self._call(lambda run: run.client.log_artifact(run.run_id, str(path), folder))

    def log_table(self, path: Path, folder: str = "tables") -> None:
        """Store a table file with the run."""
        self._call(lambda run: run.client.log_artifact(run.run_id, str(path), folder))

    def log_dict(self, value: Mapping[str, object], name: str) -> None:
        """Store a mapping with the run, as JSON or YAML after the ending of `name`: `summary.json`."""
        self._call(lambda run: run.client.log_dict(run.run_id, dict(value), name))

    def log_text(self, text: str, name: str) -> None:
        """Store a text with the run as a file of this name: `leaderboard.md`."""
        self._call(lambda run: run.client.log_text(run.run_id, text, name))

    def tag(self, name: str, value: str) -> None:
        """Set one tag of the run."""
        self._call(lambda run: run.client.set_tag(run.run_id, safe_name(name), shorten(value, MAX_TAG)))

    @property
    def enabled(self) -> bool:
        """Whether runs are wanted at all."""
        return self._enabled

    def attempt(self, work: Callable[[Run], T]) -> T | None:
        """What `work` makes of the open run; None where nothing is tracked, or after a fault of MLflow.

        It is called once, and bounds each call to the client itself, by `bounded`: one that waits, or finds SQLite
        locked, is tried again alone.
        """
        run = self._open
        return None if run is None else self._safely(lambda: work(run))

    @property
    def _open(self) -> Run | None:
        return None if self._uri in _given_up else self._run

    def _start(self) -> None:
        client, experiment_id = open_store(self._uri, self._experiment, self._folder)
        name = self._stage if self._item is None else f"{self._stage}@{self._item}"
        tags = {**run_tags(self._stage, self._item, self._inputs, self._root), PROCESS: this_process()}
        if self._uri.startswith("sqlite"):  # a server may hold the runs of many machines, and be far away
            bounded(lambda: end_leftovers(client, experiment_id, tags), CALL_S)
        run = bounded(lambda: client.create_run(experiment_id, tags=tags, run_name=name), CALL_S)
        self._run = Run(client, experiment_id, run.info.run_id, tags)

        from mlflow.entities import Param

        params = [Param(key, value) for key, value in flatten(self._params).items()]
        bounded(lambda: client.log_batch(run.info.run_id, params=params, synchronous=True), CALL_S)

    def _call(self, call: Callable[[Run], object]) -> None:
        self.attempt(lambda run: bounded(lambda: call(run), CALL_S))

    def _safely(self, call: Callable[[], T]) -> T | None:
        """The result of the call; where it fails, warn once, give the store up and return None."""
        try:
            return call()
        # Broad on purpose: this is the boundary to MLflow, SQLAlchemy, requests and the artifact stores,
        # and no fault of theirs is worth a training run. It is logged here, with its cause.
        except Exception as error:
            _given_up.add(self._uri)
            fault = without_credentials(f"{type(error).__name__}: {error}").splitlines()[0]
            log.warning(
                "MLflow at %s failed (%s). This process tracks no further; its metrics stay in the outputs.",
                without_credentials(self._uri),
                shorten(fault, 400),
            )
            return None


def _status(error: BaseException | None) -> str:
    """MLflow's run status; 130 and 143 are a shell's exit codes after SIGINT and SIGTERM."""
    code = error.code if isinstance(error, SystemExit) else None
    if error is None or (isinstance(error, SystemExit) and not code):
        return "FINISHED"
    return "KILLED" if isinstance(error, KeyboardInterrupt) or code in (130, 143) else "FAILED"


def _number(value: object) -> float:
    """The value as a float; NaN for what is no number."""
    try:
        return float(value)  # type: ignore[arg-type]  # anything may come: what float() refuses is caught
    except (TypeError, ValueError):
        return math.nan
