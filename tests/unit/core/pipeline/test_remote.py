from __future__ import annotations

import subprocess
import sys

import pytest

from cytopipe.core.pipeline.tracking.remote import ARTIFACT_ROOT, artifact_location, is_database, log_in, port


def test_a_port_is_that_of_the_scheme() -> None:
    assert [port(scheme) for scheme in ("https", "postgresql", "postgresql+psycopg", "sqlite", "s3")] == [
        443,
        5432,
        5432,
        None,
        None,
    ]


def test_files_lie_beside_a_database_or_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ARTIFACT_ROOT, raising=False)
    database, folder = "postgresql+psycopg://u@db/x", "file:///project/mlruns"
    assert is_database(database) and not is_database("https://mlflow.example.org")
    assert artifact_location(database, "cells", folder) == "file:///project/mlruns/cells"
    monkeypatch.setenv(ARTIFACT_ROOT, "s3://bucket/mlflow/")
    assert artifact_location(database, "cells", folder) == "s3://bucket/mlflow/cells"
    assert artifact_location("https://mlflow.example.org", "cells", folder) is None


def test_a_database_that_refuses_says_why() -> None:
    with pytest.raises(Exception, match="unable to open database file"):
        log_in("sqlite:////no/such/folder/mlflow.db")


def test_the_object_stores_client_has_limits_and_is_made_for_s3_alone() -> None:
    pytest.importorskip("boto3", reason="boto3 is not installed: pip install -e .[remote]")
    script = """
import sys
from cytopipe.core.pipeline.tracking.remote import bound_object_store
for other in (None, "file:///mlruns/cells", "mlflow-artifacts:/1"):
    bound_object_store(other)
assert "boto3" not in sys.modules
bound_object_store("s3://bucket/cells")
import boto3
from botocore.config import Config
client = boto3.client("s3", region_name="us-east-1", config=Config(signature_version="s3v4"))
config = client.meta.config
print(config.signature_version, config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.returncode) == (["s3v4", "5", "12", "2"], 0), done.stderr
