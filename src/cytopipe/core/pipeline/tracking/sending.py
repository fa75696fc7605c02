"""Sending journals to MLflow: call by call while a run goes on, or whole when it has ended."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cytopipe.core.io import flock
from cytopipe.core.pipeline.tracking.children import send_child
from cytopipe.core.pipeline.tracking.journal import KILLED_NOTE, End, Journal, waiting
from cytopipe.core.pipeline.tracking.store import CALL_S, bounded, open_store

NOTE = "mlflow.note.content"  # tag with the description of a run
METRICS, TAG, FILE, MODEL, CHILD = "metrics", "tag", "file", "model", "child"  # kinds of calls
_REFUSALS = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE", "RESOURCE_ALREADY_EXISTS")


class Run(NamedTuple):
    """An open run: the `MlflowClient`, the ids of the experiment and of the run, and the tags."""

    client: Any
    experiment_id: str
    run_id: str
    tags: Mapping[str, str]


SendModel = Callable[[Run, Mapping[str, Any]], None]


@dataclass
class Sent:
    """What became of the journals that waited: numbers of runs sent and left, and why MLflow refused some."""

    runs: int = 0
    left: int = 0
    refused: tuple[str, ...] = ()


def create_run(client: Any, experiment_id: str, journal: Journal) -> Run:
    """Create the run of a journal, with its tags and parameters; a run that was created before goes on.

    Raises:
        Exception: any error of MLflow.
    """
    start = journal.start
    run_id = _existing(client, journal.run_id)
    if run_id is None:
        made = bounded(
            lambda: client.create_run(experiment_id, start.time_ms, tags=dict(start.tags), run_name=start.name), CALL_S
        )
        run_id = made.info.run_id
        journal.created(run_id)
    run = Run(client, experiment_id, run_id, start.tags)

    from mlflow.entities import Param

    params = [Param(key, value) for key, value in start.params.items()]
    bounded(lambda: client.log_batch(run_id, params=params, synchronous=True), CALL_S)
    return run


def _existing(client: Any, run_id: str | None) -> str | None:
    """The run, if the store has it: it may be another store by now, or the run was deleted."""
    from mlflow.exceptions import MlflowException

    if run_id is None:
        return None
    try:
        found = bounded(lambda: client.get_run(run_id), CALL_S)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return run_id if found.info.lifecycle_stage == "active" else None


def send_call(run: Run, journal: Journal, call: Mapping[str, Any]) -> None:
    """Send one call of a journal; sending it again changes nothing.

    Raises:
        Exception: any error of MLflow.
    """
    kind, client = call["call"], run.client
    if kind == METRICS:
        from mlflow.entities import Metric

        metrics = [Metric(name, value, call["time_ms"], call["step"]) for name, value in call["values"].items()]
        bounded(lambda: client.log_batch(run.run_id, metrics=metrics, synchronous=True), CALL_S)
    elif kind == TAG:
        bounded(lambda: client.set_tag(run.run_id, call["name"], call["value"]), CALL_S)
    elif kind == FILE:
        file, folder = str(journal.kept(call["name"])), posixpath.dirname(call["name"])
        bounded(lambda: client.log_artifact(run.run_id, file, folder or None), CALL_S)
    elif kind == CHILD:
        send_child(client, run.experiment_id, run.run_id, call)


def end_run(run: Run, end: End) -> None:
    """End a run as it ended.

    Raises:
        Exception: any error of MLflow.
    """
    if end.status == "KILLED" and NOTE not in bounded(lambda: run.client.get_run(run.run_id), CALL_S).data.tags:
        bounded(lambda: run.client.set_tag(run.run_id, NOTE, KILLED_NOTE), CALL_S)
    bounded(lambda: run.client.set_terminated(run.run_id, end.status, end.time_ms), CALL_S)


def send_waiting(uri: str, project: Path, *, wait: bool, send_model: SendModel | None = None) -> Sent:
    """Send the journals of all runs that ended, oldest first, and remove what MLflow has whole.

    A run that MLflow refuses, as an old server may do with a parameter, is set aside beside the others.

    Args:
        uri: tracking URI.
        project: folder of the project.
        wait: wait for another process that sends; else nothing is sent then.
        send_model: sends the model that a run could not log; without it, such runs are left.

    Raises:
        Exception: MLflow cannot be reached; nothing is lost.
    """
    sent = Sent()
    file = project / ".cytopipe/locks/journal.lock"
    if not waiting(project):
        return sent
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        try:
            flock.lock(handle, wait=wait)
        except BlockingIOError:
            return sent
        for journal in waiting(project):
            _send(uri, project, journal, send_model, sent)
    return sent


def _send(uri: str, project: Path, journal: Journal, send_model: SendModel | None, sent: Sent) -> None:
    from mlflow.exceptions import MlflowException

    calls, end = list(journal.calls), journal.end
    models = [call for call in calls if call["call"] == MODEL]
    if end is None or (models and send_model is None):
        sent.left += 1
        return
    try:
        client, experiment_id = open_store(uri, journal.start.experiment, project)
        run = create_run(client, experiment_id, journal)
        for call in calls:
            send_call(run, journal, call)
        for call in models:
            if send_model:
                send_model(run, call)
        end_run(run, end)
    except MlflowException as error:
        if error.error_code not in _REFUSALS:
            raise
        sent.refused += (f"{journal.start.name}: {str(error).splitlines()[0]}",)
        journal.set_aside()
    else:
        sent.runs += 1
        journal.remove()
