"""MLflow on PostgreSQL with files on S3, and both of them failing: one warning, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from postgres_cluster import PASSWORD, Database, programs, server
from s3_store import BUCKET, CREDENTIALS, ObjectStore, object_store, refusing_store

ROOT = Path(__file__).resolve().parents[2]
TRAIN = """
import logging
from pathlib import Path
from cytopipe.core.pipeline.tracking.tracker import Tracker

logging.basicConfig(level=logging.WARNING, format="%(message)s")
Path("figure.png").write_bytes(b"picture")
with Tracker(stage="train", item="net", experiment="cells", params={"lr": 0.1}, inputs={}, root=Path()) as tracker:
    for epoch in range(3):
        tracker.log_metrics({"loss": 1.0 / (epoch + 1)}, step=epoch)
    tracker.log_figure(Path("figure.png"))
print("trained")
"""
needs_postgres = pytest.mark.skipif(
    programs() is None, reason="PostgreSQL is not installed: apt-get install postgresql"
)


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    pytest.importorskip("moto", reason="moto is not installed: pip install -e .[dev,remote]")
    with object_store() as started:
        yield started


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with server() as started:
        yield started


@pytest.fixture
def tables(database: Database, store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Name of a database with MLflow's tables, which take seconds to make: a copy of the first of them."""
    if not database.sql("select 1 from pg_database where datname = 'made'"):
        database.sql("create database made")
        place = tmp_path_factory.mktemp("first")
        assert train(place, variables(database.uri("made"), store.url)) == ["trained"]
    name = f"copy{time.monotonic_ns()}"
    database.sql(f"create database {name} template made")
    yield name
    database.sql(f"drop database {name} with (force)")


def variables(uri: str, s3: str) -> dict[str, str]:
    """The environment of somebody whose MLflow is on a database and on S3."""
    places = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_S3_ENDPOINT_URL": s3}
    return {**CREDENTIALS, **places, "MLFLOW_DEFAULT_ARTIFACT_ROOT": f"s3://{BUCKET}/mlflow"}


def call(folder: Path, environment: Mapping[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a project."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "AWS_", "DVC_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{outside['PATH']}"
    return subprocess.run(
        command,
        cwd=folder,
        env={**outside, "PATH": path, "PYTHONPATH": str(ROOT / "src"), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def train(folder: Path, environment: Mapping[str, str]) -> list[str]:
    """What a training says on both streams, its last line first."""
    done = call(folder, environment, sys.executable, "-c", TRAIN)
    assert done.returncode == 0, done.stderr
    return [*done.stdout.splitlines(), *done.stderr.splitlines()]


def the_warning(folder: Path, environment: Mapping[str, str]) -> str:
    """The only warning of a training that MLflow fails."""
    trained, warning = train(folder, environment)
    assert trained == "trained"
    assert "`cytopipe sync` sends it" in warning and PASSWORD not in warning
    return warning


def sync(folder: Path, environment: Mapping[str, str]) -> None:
    """Send what waits: one run."""
    done = call(folder, environment, "cytopipe", "sync")
    assert (done.returncode, done.stdout.startswith("1 run(s) sent to")) == (0, True), done.stderr
    assert PASSWORD not in done.stdout
    assert not list((folder / ".cytopipe/journal").iterdir())


def the_run(uri: str) -> Any:
    """The newest run, which must hold what the training logged."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("cells")
    assert experiment
    run = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])[0]
    assert (run.info.run_name, run.info.status) == ("train@net", "FINISHED")
    assert run.data.params == {"lr": "0.1"}
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(one.step, one.value) for one in history] == [(0, 1.0), (1, 0.5), (2, pytest.approx(1 / 3))]
    return run


def check(database: Database, store: ObjectStore, name: str) -> None:
    """The database has the run whole, and the store its files."""
    run = the_run(database.uri(name))
    assert run.info.artifact_uri == f"s3://{BUCKET}/mlflow/cells/{run.info.run_id}/artifacts"
    folder = run.info.artifact_uri.removeprefix(f"s3://{BUCKET}/")
    assert store.names(folder) == [f"{folder}/figures/figure.png"]
    assert store.read(f"{folder}/figures/figure.png") == b"picture"


@contextlib.contextmanager
def silent() -> Iterator[tuple[int, Callable[[], int]]]:
    """A server that takes connections and never answers: its port, and how many there were."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        listener.setblocking(False)

        def count() -> int:
            connections = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    listener.accept()[0].close()
                    connections += 1
            return connections

        yield listener.getsockname()[1], count


@needs_postgres
def test_runs_go_to_postgresql_and_their_files_to_s3(
    database: Database, store: ObjectStore, tables: str, tmp_path: Path
) -> None:
    assert train(tmp_path, variables(database.uri(tables), store.url)) == ["trained"]
    check(database, store, tables)
    assert not (tmp_path / "mlflow.db").exists() and not (tmp_path / "mlruns").exists()


@needs_postgres
def test_a_database_of_another_version(database: Database, store: ObjectStore, tables: str, tmp_path: Path) -> None:
    environment = variables(database.uri(tables), store.url)
    version = database.sql("select version_num from alembic_version", tables)
    database.sql("update alembic_version set version_num = '0123456789ab'", tables)
    warning = the_warning(tmp_path, environment)
    assert "0123456789ab" in warning and "mlflow db upgrade" in warning
    database.sql(f"update alembic_version set version_num = '{version}'", tables)
    sync(tmp_path, environment)
    check(database, store, tables)


@needs_postgres
def test_a_wrong_password(database: Database, store: ObjectStore, tables: str, tmp_path: Path) -> None:
    refusal = "password authentication failed"
    before = database.log.count(refusal)
    assert refusal in the_warning(tmp_path, variables(database.uri(tables, "no-more"), store.url))
    assert database.log.count(refusal) == before + 1  # MLflow alone tries ten times, for two minutes
    sync(tmp_path, variables(database.uri(tables), store.url))
    check(database, store, tables)


@needs_postgres
def test_a_token_of_the_object_store_that_expired(
    database: Database, store: ObjectStore, tables: str, tmp_path: Path
) -> None:
    with refusing_store() as refusing:
        assert "ExpiredToken" in the_warning(tmp_path, variables(database.uri(tables), refusing))
    sync(tmp_path, variables(database.uri(tables), store.url))
    check(database, store, tables)


@needs_postgres
def test_an_object_store_that_hangs(database: Database, store: ObjectStore, tables: str, tmp_path: Path) -> None:
    with silent() as (port, connections):
        warning = the_warning(tmp_path, variables(database.uri(tables), f"http://127.0.0.1:{port}"))
        assert 1 <= connections() <= 2  # the process ends after these, as it waits for the threads of an upload
    assert "timeout" in warning.lower() or "no answer" in warning
    sync(tmp_path, variables(database.uri(tables), store.url))
    check(database, store, tables)


@needs_postgres
def test_a_database_that_hangs(database: Database, store: ObjectStore, tables: str, tmp_path: Path) -> None:
    with silent() as (port, connections):
        hanging = database.uri(tables).replace(f":{database.port}/", f":{port}/")
        warning = the_warning(tmp_path, variables(hanging, store.url))
        assert 1 <= connections() <= 3
    assert "timeout" in warning.lower() or "no answer" in warning
    sync(tmp_path, variables(database.uri(tables), store.url))
    check(database, store, tables)


def test_a_tracking_server_whose_token_expired(tmp_path: Path) -> None:
    with refusing_store(401, '{"error_code": "UNAUTHENTICATED", "message": "token expired"}') as uri:
        environment = {**CREDENTIALS, "MLFLOW_TRACKING_URI": uri, "MLFLOW_TRACKING_TOKEN": PASSWORD}
        warning = the_warning(tmp_path, environment)
    assert "401" in warning or "token expired" in warning
    sync(tmp_path, {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"})
    the_run(f"sqlite:///{tmp_path}/mlflow.db")


# In a mount namespace of its own: a training while the database's disk is full or read-only, and the sending after.
ON_A_DISK = r"""
mount -t tmpfs -o size={size} none disk
{spoil}
"$1" -c "$2"
mount -o remount,rw,size=100m none disk
rm -f disk/rest
cytopipe sync && cp disk/mlflow.db sent.db
"""


@pytest.mark.parametrize(
    ("size", "spoil", "said"),
    [
        ("256k", "dd if=/dev/zero of=disk/rest bs=1k count=200 2>/dev/null", ("full", "disk I/O error")),
        ("100m", "mount -o remount,ro none disk", ("unable to open", "readonly", "Read-only")),
    ],
    ids=["full", "read-only"],
)
def test_a_disk_of_the_database_that_is(size: str, spoil: str, said: tuple[str, ...], tmp_path: Path) -> None:
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed: apt-get install util-linux")
    (tmp_path / "disk").mkdir()
    if call(tmp_path, {}, *alone, "mount", "-t", "tmpfs", "none", "disk").returncode != 0:
        pytest.skip("this machine lets nobody mount a disk of their own")
    script = ON_A_DISK.format(size=size, spoil=spoil)
    environment = {"MLFLOW_TRACKING_URI": "sqlite:///disk/mlflow.db"}
    done = call(tmp_path, environment, *alone, "sh", "-c", script, "sh", sys.executable, TRAIN)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("trained\n1 run(s) sent to")
    (warning,) = done.stderr.splitlines()
    assert "`cytopipe sync` sends it" in warning and any(text in warning for text in said), warning
    the_run(f"sqlite:///{tmp_path}/sent.db")
