"""Opening the MLflow store: with time limits, without noise, and safely from several processes at once."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from cytopipe.core.io import flock
from cytopipe.core.pipeline.tracking.names import safe_name
from cytopipe.core.pipeline.tracking.remote import (
    artifact_location,
    bound_object_store,
    is_database,
    log_in,
    port,
)

DEFAULT_URI = "sqlite:///mlflow.db"
CONNECT_S = 2.0
OPEN_S = 120.0  # creating a database takes seconds, and several processes may wait for it
CALL_S = 30.0

_LOCKED_PAUSES_S = (0.5, 2.0)
# Read by MLflow on import or on requests; values that the user has set take precedence.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "PGCONNECT_TIMEOUT": "10",  # of PostgreSQL, which waits without end
    # MLflow logs migrations as INFO and failures with tracebacks; the tracker reports a failure itself, once.
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}

_THREAD = "mlflow"

T = TypeVar("T")


class Store(NamedTuple):
    """An open store: an `MlflowClient` and the id of the experiment."""

    client: Any
    experiment_id: str


def project_folder(root: Path) -> Path:
    """Folder of the database: the root of the project, or of the workspace that started a DVC experiment.

    `dvc exp run --temp` and `--queue` run in a temporary folder that DVC deletes.
    """
    workspace = os.environ.get("DVC_ROOT") if "DVC_EXP_BASELINE_REV" in os.environ else None
    return Path(workspace or root).resolve()


def tracking_uri(folder: Path) -> str:
    """`MLFLOW_TRACKING_URI` or `DEFAULT_URI`; a relative SQLite path is one in `folder`."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    relative = re.fullmatch(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:)(.+)", uri)
    if relative is None:
        return uri
    database = folder / relative[2]
    # SQLAlchemy takes what follows a question mark for options; from the project's root the rest of the path is plain.
    return f"{relative[1]}{os.path.relpath(database) if '?' in str(database) else database}"


def without_credentials(text: str) -> str:
    """Remove user names and passwords from all URIs in a text."""
    return re.sub(r"(?<=://)[^/@\s]*@", "", text)


def open_store(uri: str, experiment: str, folder: Path) -> Store:
    """Connect to MLflow and find or create the experiment.

    A new database is created under a lock: without it, all but one of several simultaneous first runs would fail.

    Args:
        uri: tracking URI, as returned by `tracking_uri`.
        experiment: name of the experiment.
        folder: folder for the lock and, if the store is a database and `ARTIFACT_ROOT` is not set, for the artifacts.

    Raises:
        OSError: the server does not answer.
        Exception: any error of MLflow and its database drivers.
    """
    bounded(lambda: _check_reachable(uri), 2 * CONNECT_S)
    keep_quiet()
    from mlflow import MlflowClient

    location = artifact_location(uri, safe_name(experiment).replace("/", "_"), (folder / "mlruns").as_uri())
    if is_database(uri) and not uri.startswith("sqlite"):
        bounded(lambda: log_in(uri), CALL_S)

    def connect() -> Store:
        if uri.startswith("sqlite"):
            _create_database(uri, folder / ".cytopipe" / "locks" / "mlflow.lock", MlflowClient)
        client = MlflowClient(uri)
        found = _experiment(client, experiment, location)
        bound_object_store(found.artifact_location)
        return Store(client, found.experiment_id)

    return bounded(connect, OPEN_S)


def keep_quiet() -> None:
    """Set what MLflow reads when it is imported: short waits, and no messages of its own."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("urllib3.connectionpool").addFilter(_not_ours)


def bounded(call: Callable[[], T], seconds: float) -> T:
    """Run `call()` with a time limit, and retry it while SQLite is locked.

    It runs in a daemon thread, because name look-ups, database drivers and object stores have time-outs of minutes, or
    none at all.

    Raises:
        TimeoutError: there is no result after `seconds`.
        Exception: any error of the call.
    """
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(_retried(call))
        except BaseException as error:  # re-raised in the waiting thread
            future.set_exception(error)

    threading.Thread(target=work, daemon=True, name=_THREAD).start()
    try:
        return future.result(seconds)
    except TimeoutError as error:
        raise TimeoutError(str(error) or f"no answer within {seconds:g} s") from error


def _retried(call: Callable[[], T]) -> T:
    """Retry a call while the database is locked; SQLite fails immediately if two readers both start to write."""
    for pause in _LOCKED_PAUSES_S:
        try:
            return call()
        except Exception as error:
            if "database is locked" not in str(error):
                raise
        time.sleep(pause)
    return call()


def _not_ours(record: logging.LogRecord) -> bool:
    """A log filter that drops warnings of urllib3 about retries of MLflow, and no others."""
    return record.threadName != _THREAD


def _check_reachable(uri: str) -> None:
    """Raise OSError if nothing listens at the URI's host and port, before the import and the retries of MLflow."""
    parts = urlsplit(uri)
    number = parts.port or port(parts.scheme)
    if parts.hostname is None or number is None:
        return
    if parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(parts.hostname):
        return
    socket.create_connection((parts.hostname, number), timeout=CONNECT_S).close()


def _create_database(uri: str, lock: Path, client: Callable[[str], Any]) -> None:
    """Create a missing SQLite database atomically: under a lock, at a temporary path, and then move it.

    MLflow cannot open a database if its migrations were interrupted, for example by a kill.
    """
    scheme, _, path = uri.partition(":///")
    if path in ("", ":memory:") or path.startswith("file:"):
        return
    database = Path(path)
    with _locked(lock):
        if database.exists() and database.stat().st_size > 0:
            return
        fresh = database.with_name(f"{database.name}.new")
        for left_over in (fresh, fresh.with_name(f"{fresh.name}-journal")):
            left_over.unlink(missing_ok=True)
        client(f"{scheme}:///{fresh}").search_experiments(max_results=1)
        fresh.replace(database)


def _experiment(client: Any, name: str, location: str | None) -> Any:
    """The experiment of this name, which is created if necessary, with its files at `location`."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        return found
    try:
        return client.get_experiment(client.create_experiment(name, artifact_location=location))
    except Exception:
        # Another process may have been first.
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return found


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; the system releases it when the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        flock.lock(handle)
        yield
