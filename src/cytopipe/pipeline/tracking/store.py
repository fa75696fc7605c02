"""Opening MLflow's store: quickly, quietly, and by several processes at once."""

from __future__ import annotations

import contextlib
import fcntl
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

from cytopipe.pipeline.tracking.names import safe_name

DEFAULT_URI = "sqlite:///mlflow.db"
CONNECT_S = 2.0
OPEN_S = 120.0  # a fresh database takes seconds, and several processes may wait for it
CALL_S = 30.0

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_LOCKED_PAUSES_S = (0.5, 2.0)
# Read by MLflow when it is imported or when it asks the server; what the user has set wins.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    # Migrations are logged as INFO and faults with tracebacks; the tracker itself reports a fault, once.
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}

_THREAD = "mlflow"

T = TypeVar("T")


class Store(NamedTuple):
    """An open store: its `MlflowClient` and the id of the experiment."""

    client: Any
    experiment_id: str


def project_folder(root: Path) -> Path:
    """The folder that keeps the database: the root, or the workspace that a DVC experiment came from.

    `dvc exp run --temp` and `--queue` run in a folder that DVC deletes.
    """
    workspace = os.environ.get("DVC_ROOT") if "DVC_EXP_BASELINE_REV" in os.environ else None
    return Path(workspace or root).resolve()


def tracking_uri(folder: Path) -> str:
    """`MLFLOW_TRACKING_URI`, else `DEFAULT_URI`; a relative SQLite path is taken relative to `folder`."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    relative = re.fullmatch(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:)(.+)", uri)
    return f"{relative[1]}{folder / relative[2]}" if relative else uri


def without_credentials(text: str) -> str:
    """The text with user name and password removed from any URI in it."""
    return re.sub(r"(?<=://)[^/@\s]*@", "", text)


def open_store(uri: str, experiment: str, folder: Path) -> Store:
    """Connect to MLflow and find or create the experiment.

    The database of a first run is created under a lock: of several first runs at once, MLflow itself
    loses all but one.

    Args:
        uri: tracking URI, as returned by `tracking_uri`.
        experiment: name of the experiment.
        folder: keeps the lock, and the artifacts of a store that is a database.

    Raises:
        OSError: the server does not answer.
        Exception: whatever MLflow and its database drivers raise.
    """
    bounded(lambda: _check_reachable(uri), 2 * CONNECT_S)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("urllib3.connectionpool").addFilter(_not_ours)
    from mlflow import MlflowClient

    artifacts = folder / "mlruns" / safe_name(experiment).replace("/", "_")
    location = artifacts.as_uri() if uri.startswith(_DATABASES) else None

    def connect() -> Store:
        if uri.startswith("sqlite"):
            _create_database(uri, folder / ".cytopipe" / "locks" / "mlflow.lock", MlflowClient)
        client = MlflowClient(uri)
        return Store(client, _experiment_id(client, experiment, location))

    return bounded(connect, OPEN_S)


def bounded(call: Callable[[], T], seconds: float) -> T:
    """The result of `call()`, which is tried again while SQLite is locked.

    It runs in a daemon thread: name look-ups, database drivers and object stores have time-outs of
    minutes, or none.

    Raises:
        TimeoutError: no result after `seconds`.
        Exception: whatever the call raised.
    """
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(_retried(call))
        except BaseException as error:  # handed to the waiting thread, which decides
            future.set_exception(error)

    threading.Thread(target=work, daemon=True, name=_THREAD).start()
    try:
        return future.result(seconds)
    except TimeoutError as error:
        raise TimeoutError(str(error) or f"no answer within {seconds:g} s") from error


def _retried(call: Callable[[], T]) -> T:
    """SQLite waits for other writers, but answers at once where two readers both turn to writing."""
    for pause in _LOCKED_PAUSES_S:
        try:
            return call()
        except Exception as error:
            if "database is locked" not in str(error):
                raise
        time.sleep(pause)
    return call()


def _not_ours(record: logging.LogRecord) -> bool:
    """Drop urllib3's warnings about retries for MLflow, and for nothing else."""
    return record.threadName != _THREAD


def _check_reachable(uri: str) -> None:
    """Raise OSError where nothing listens at the URI's host and port, before MLflow's import and retries."""
    parts = urlsplit(uri)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    if parts.hostname is None or port is None:
        return
    if parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(parts.hostname):
        return
    socket.create_connection((parts.hostname, port), timeout=CONNECT_S).close()


def _create_database(uri: str, lock: Path, client: Callable[[str], Any]) -> None:
    """Create the SQLite database where there is none: under a lock, beside its place, and move it there.

    MLflow cannot open a database whose migrations were interrupted, by a kill for instance.
    """
    scheme, _, path = uri.partition(":///")
    database = Path(path)
    if not database.is_absolute():  # :memory: and the like
        return
    with _locked(lock):
        if database.exists() and database.stat().st_size > 0:
            return
        fresh = database.with_name(f"{database.name}.new")
        for left_over in (fresh, fresh.with_name(f"{fresh.name}-journal")):
            left_over.unlink(missing_ok=True)
        client(f"{scheme}:///{fresh}").search_experiments(max_results=1)
        fresh.replace(database)


def _experiment_id(client: Any, name: str, location: str | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=location)
        except Exception:
            # Another process may have been first.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return found.experiment_id


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file; the system lets go of it when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
