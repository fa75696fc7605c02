"""The MLflow run of an execution of a stage."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import yaml

from cytopipe.core.pipeline.tracking.children import Child
from cytopipe.core.pipeline.tracking.journal import PROCESS, End, Journal, Start
from cytopipe.core.pipeline.tracking.names import MAX_TAG, flatten, safe_name, shorten
from cytopipe.core.pipeline.tracking.process import this_process
from cytopipe.core.pipeline.tracking.provenance import run_tags
from cytopipe.core.pipeline.tracking.sending import (
    CHILD,
    FILE,
    METRICS,
    MODEL,
    NOTE,
    TAG,
    Run,
    create_run,
    end_run,
    send_call,
    send_waiting,
)
from cytopipe.core.pipeline.tracking.store import open_store, project_folder, tracking_uri, without_credentials

log = logging.getLogger("cytopipe")

# Stores that failed once are left alone for the rest of the process.
_given_up: set[str] = set()

T = TypeVar("T")


class Tracker:
    """The MLflow run of an execution of a stage, as a context manager. It never raises because of MLflow.

    All that is logged goes into a journal in the project. A live run, such as a training, sends it to MLflow at once,
    and sends the journals of the stages before it, which are over in seconds and wait for no database. A failure of
    MLflow is one warning; the journal stays, and a later live run or `cytopipe sync` sends it.

    Args:
        stage: name of the stage; the run is named `stage` or `stage@item`, such as `train_classifier@hep2-alexnet`.
        item: dataset, segmenter, classifier or screening that the stage runs for.
        experiment: name of the MLflow experiment; it is created if necessary.
        enabled: if False, nothing is tracked.
        live: send to MLflow while the stage runs; else MLflow is imported only if the stage fails.
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
        live: bool = True,
        params: Mapping[str, object],
        inputs: Mapping[str, str],
        root: Path,
    ) -> None:
        self._stage, self._item, self._experiment, self._enabled, self._live = stage, item, experiment, enabled, live
        self._params, self._inputs, self._root = params, inputs, root
        self._project = project_folder(root)
        self._uri = tracking_uri(self._project)
        self._journal: Journal | None = None
        self._run: Run | None = None

    def __enter__(self) -> Self:
        if self._enabled:
            self._journal = self._begin()
            if self._live:
                self._safely(self._open_run)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the run as FINISHED, FAILED or KILLED; an error becomes the description of the run."""
        end = End(_status(error), _now())
        if end.status != "FINISHED":
            self.tag(NOTE, f"{type(error).__name__}: {error}")
        run, journal = self._open, self._journal
        # It is closed only if it stays: other processes send what is closed.
        if not (run and journal and self._safely(lambda: _finish(run, journal, end))):
            self._keep(lambda journal: journal.close(end))
        if journal and (self._live or end.status != "FINISHED"):
            self._safely(lambda: send_waiting(self._uri, self._project, wait=True))
        self._run = self._journal = None

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics, of epoch `step` if given; values that are not finite are dropped with a warning."""
        if self._journal is None:
            return
        values = {safe_name(name): _number(value) for name, value in metrics.items()}
        dropped = [name for name, value in values.items() if not math.isfinite(value)]
        if dropped:
            log.warning("not finite, so not sent to MLflow: %s (step %s)", ", ".join(dropped), step)
        kept = {name: value for name, value in values.items() if math.isfinite(value)}
        self._add({"call": METRICS, "values": kept, "step": step or 0, "time_ms": _now()})

    def log_figure(self, path: Path, folder: str = "figures") -> None:
        """Store an image file as an artifact."""
        self._add_file(f"{folder}/{path.name}", path)

    def log_table(self, path: Path, folder: str = "tables") -> None:
        """Store a table file as an artifact."""
        self._add_file(f"{folder}/{path.name}", path)

    def log_dict(self, value: Mapping[str, object], name: str) -> None:
        """Store a mapping as an artifact, in JSON or YAML according to the suffix of `name`."""
        if self._journal:
            as_yaml = name.endswith((".yaml", ".yml"))
            text = yaml.safe_dump(dict(value), sort_keys=False) if as_yaml else json.dumps(value, indent=2, default=str)
            self.log_text(text, name)

    def log_text(self, text: str, name: str) -> None:
        """Store a text as an artifact with this file name."""
        self._add_file(name, text.encode())

    def tag(self, name: str, value: str) -> None:
        """Set a tag of the run."""
        self._add({"call": TAG, "name": safe_name(name), "value": shorten(value, MAX_TAG)})

    def log_child(self, child: Child) -> None:
        """Log a finished run below this one, such as a trial of a search."""
        self._add({"call": CHILD, **child.call})

    def remember_model(self, **model: object) -> None:
        """Note a model that could not be logged, for `cytopipe sync`."""
        self._add({"call": MODEL, **model})

    @property
    def enabled(self) -> bool:
        """Whether tracking is switched on."""
        return self._enabled

    def attempt(self, work: Callable[[Run], T]) -> T | None:
        """Call `work` with the live run and return its result; None if there is none or MLflow fails.

        `work` is called once. It should wrap each call of the client in `bounded`, so that only a call that finds
        SQLite locked is retried.
        """
        run = self._open
        return None if run is None else self._safely(lambda: work(run))

    @property
    def _open(self) -> Run | None:
        return None if self._uri in _given_up else self._run

    def _begin(self) -> Journal | None:
        name = self._stage if self._item is None else f"{self._stage}@{self._item}"
        tags = {**run_tags(self._stage, self._item, self._inputs, self._root), PROCESS: this_process()}
        start = Start(self._experiment, name, tags, flatten(self._params), _now())
        try:
            return Journal.begin(self._project, start)
        except OSError as error:
            log.warning("%s cannot be written (%s): MLflow gets nothing of this run", self._project, error.strerror)
            return None

    def _open_run(self) -> None:
        if self._journal is None:
            return
        client, experiment_id = open_store(self._uri, self._experiment, self._project)
        send_waiting(self._uri, self._project, wait=False)
        self._run = create_run(client, experiment_id, self._journal)

    def _add_file(self, name: str, content: Path | bytes) -> None:
        name = safe_name(name)
        self._keep(lambda journal: journal.keep(name, content))
        self._add({"call": FILE, "name": name})

    def _add(self, call: Mapping[str, Any]) -> None:
        self._keep(lambda journal: journal.add(call))
        journal = self._journal
        if journal:
            self.attempt(lambda run: send_call(run, journal, call))

    def _keep(self, write: Callable[[Journal], object]) -> None:
        """Write to the journal; where that fails, as on a full disk, warn once and track no further."""
        if self._journal is None:
            return
        try:
            write(self._journal)
        except OSError as error:
            log.warning("%s cannot be written (%s): this run is tracked no further", self._journal.folder, error)
            self._journal = None

    def _safely(self, call: Callable[[], T]) -> T | None:
        """The result of the call; if it fails, warn once, stop using the store and return None."""
        if self._uri in _given_up:
            return None
        try:
            return call()
        # Broad on purpose: this is the boundary to MLflow, SQLAlchemy, requests and the artifact stores, whose failures
        # must not end a training run. The cause is logged here.
        except Exception as error:
            _given_up.add(self._uri)
            fault = without_credentials(f"{type(error).__name__}: {error}").splitlines()[0]
            log.warning(
                "MLflow at %s failed (%s). The stage goes on, its metrics stay in the outputs, and what it logs waits "
                "in .cytopipe/journal: `cytopipe sync` sends it.",
                without_credentials(self._uri),
                shorten(fault, 400),
            )
            return None


def _finish(run: Run, journal: Journal, end: End) -> bool:
    """End a run in MLflow; the journal goes, unless a model is still to be sent. Returns whether it went."""
    end_run(run, end)
    if any(call["call"] == MODEL for call in journal.calls):
        return False
    journal.remove()
    return True


def _now() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


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
