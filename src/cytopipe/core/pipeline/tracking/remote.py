"""Databases and object stores on other machines, whose drivers wait for minutes, or for ever, if not told."""

from __future__ import annotations

import os

PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
ARTIFACT_ROOT = "MLFLOW_DEFAULT_ARTIFACT_ROOT"  # MLflow's servers read it as well
_CONNECT_S, _READ_S, _ATTEMPTS = 5, 12, 2  # of an object store: all of it within `store.CALL_S`


def port(scheme: str) -> int | None:
    """The port of a scheme such as `https` or `postgresql+psycopg`, if none is named; None where there is none."""
    return PORTS.get(scheme.partition("+")[0])


def is_database(uri: str) -> bool:
    """Whether MLflow's client itself opens the database, with no server of MLflow between."""
    return uri.startswith(DATABASES)


def log_in(uri: str) -> None:
    """Connect to a database once: MLflow tries one that refuses, or that hangs, ten times.

    Raises:
        Exception: any error of SQLAlchemy and the database's driver.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    create_engine(uri, poolclass=NullPool).connect().close()


def artifact_location(uri: str, name: str, folder: str) -> str | None:
    """Where a new experiment keeps its files; None if a server decides.

    Args:
        uri: tracking URI.
        name: name of the experiment, as a folder's.
        folder: URI of the folder of experiments that is used where `ARTIFACT_ROOT` names no other.
    """
    root = os.environ.get(ARTIFACT_ROOT) or folder
    return f"{root.rstrip('/')}/{name}" if is_database(uri) else None


def bound_object_store(location: str | None) -> None:
    """Give the S3 client that MLflow makes in this process limits of time, if the experiment's files go there.

    Threads of an upload are waited for when the process ends: without limits, one that hangs would keep the stage for
    minutes after its work is done.
    """
    if not (location or "").startswith("s3:"):
        return
    try:
        import boto3
        from botocore.config import Config
        from botocore.session import get_session
    except ImportError:
        return  # MLflow says so itself when it sends a file
    if boto3.DEFAULT_SESSION is not None:
        return
    session = get_session()
    retries = {"total_max_attempts": _ATTEMPTS, "mode": "standard"}
    session.set_default_client_config(Config(connect_timeout=_CONNECT_S, read_timeout=_READ_S, retries=retries))
    boto3.setup_default_session(botocore_session=session)
