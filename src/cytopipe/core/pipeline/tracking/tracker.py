"""The MLflow run of an execution of a stage."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from cytopipe.core.pipeline.tracking.leftovers import PROCESS, end_leftovers, this_process
from cytopipe.core.pipeline.tracking.names import MAX_TAG, flatten, safe_name, shorten
from cytopipe.core.pipeline.tracking.provenance import run_tags
from cytopipe.core.pipeline.tracking.store import (
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
    """An open run: the `MlflowClient`, the ids of the experiment and of the run, and the tags."""

    client: Any
    experiment_id: str
    run_id: str
    tags: Mapping[str, str]


class Tracker:
    """The MLflow run of an execution of a stage, as a context manager. It never raises because of MLflow.

    The first failure logs a warning and ends tracking in this process, so that a server that is down cannot slow down
    training.

    Args:
        stage: name of the stage; the run is named `stage` or `stage@item`, such as `train_classifier@hep2-alexnet`.
        item: dataset, segmenter, classifier or screening that the stage runs for.
        experiment: name of the MLflow experiment; it is created if necessary.
        enabled: if False, nothing is tracked and MLflow is not imported.
        params: parameters of the stage, nested.
        inputs: SHA-256 of every input, by path.
        root: root of the project, to which relative paths of stores refer.
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
        """End the run as FINISHED, FAILED or KILLED; an error becomes the description of the run."""
        status = _status(error)
        if status != "FINISHED":
            self.tag("mlflow.note.content", f"{type(error).__name__}: {error}")
        self._call(lambda run: run.client.set_terminated(run.run_id, status))
        self._run = None

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics, of epoch `step` if given; values that are not finite are dropped with a warning."""
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
        """Store an image file as an artifact."""
        self._call(lambda run: run.client.log_artifact(run.run_id, str(path), folder))

    def log_table(self, path: Path, folder: str = "tables") -> None:
        """Store a table file as an artifact."""
        self._call(lambda run: run.client.log_artifact(run.run_id, str(path), folder))

    def log_dict(self, value: Mapping[str, object], name: str) -> None:
        """Store a mapping as an artifact, in JSON or YAML according to the suffix of `name`."""
        self._call(lambda run: run.client.log_dict(run.run_id, dict(value), name))

    def log_text(self, text: str, name: str) -> None:
        """Store a text as an artifact with this file name."""
        self._call(lambda run: run.client.log_text(run.run_id, text, name))

    def tag(self, name: str, value: str) -> None:
        """Set a tag of the run."""
        self._call(lambda run: run.client.set_tag(run.run_id, safe_name(name), shorten(value, MAX_TAG)))

    @property
    def enabled(self) -> bool:
        """Whether tracking is switched on."""
        return self._enabled

    def attempt(self, work: Callable[[Run], T]) -> T | None:
        """Call `work` with the open run and return its result; None if nothing is tracked or MLflow fails.

        `work` is called once. It should wrap each call of the client in `bounded`, so that only a call that finds
        SQLite locked is retried.
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
        """The result of the call; if it fails, warn once, stop using the store and return None."""
        try:
            return call()
        # Broad on purpose: this is the boundary to MLflow, SQLAlchemy, requests and the artifact stores, whose failures
        # must not end a training run. The cause is logged here.
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
    """MLflow's status of a run; 130 and 143 are the exit codes after SIGINT and SIGTERM."""
    code = error.code if isinstance(error, SystemExit) else None
    if error is None or (isinstance(error, SystemExit) and not code):
        return "FINISHED"
    return "KILLED" if isinstance(error, KeyboardInterrupt) or code in (130, 143) else "FAILED"


def _number(value: object) -> float:
    """The value as a float; NaN if it is not a number."""
    try:
        return float(value)  # type: ignore[arg-type]  # anything may come: what float() refuses is caught
    except (TypeError, ValueError):
        return math.nan
