from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cytopipe.core.pipeline.tracking.tracker import Tracker


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    # Stores are given up by address, and the system hands out the port of an earlier test again.
    monkeypatch.setattr("cytopipe.core.pipeline.tracking.tracker._given_up", set())


def _train(root: Path, epochs: int = 3) -> Iterator[int]:
    """A tracked training run, epoch by epoch."""
    figure = root / "figure.png"
    figure.write_bytes(b"picture")
    with Tracker(stage="train", item="net", experiment="cells", params={"lr": 0.1}, inputs={}, root=root) as tracker:
        for epoch in range(epochs):
            tracker.log_metrics({"loss": 1.0 / (epoch + 1)}, step=epoch)
            yield epoch
        tracker.log_figure(figure)
        tracker.log_dict({"n": 1}, "summary.json")


@contextmanager
def _server(answers: Mapping[str, object], status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """An HTTP server with fixed answers by the path's last part; yields its URI and the requests it got."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path.split("?")[0].rsplit("/", 1)[-1])
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps(answers.get(asked[-1], {})).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815  # the name that http.server calls

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()


def _connections(listener: socket.socket) -> int:
    """Number of new connections to a non-blocking listener."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            count += 1
    return count


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """All that reached the log at WARNING or above, from MLflow's own libraries as well."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_server_that_is_down_costs_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{port}")
    assert list(_train(tmp_path)) == [0, 1, 2]
    assert list(_train(tmp_path)) == [0, 1, 2]
    (warning,) = _warnings(caplog)
    assert f"http://127.0.0.1:{port}" in warning
    assert "Connection refused" in warning and "metrics stay in the outputs" in warning
    assert "secret" not in warning


def test_a_server_that_never_answers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with closing(socket.create_server(("127.0.0.1", 0), backlog=50)) as listener:
        listener.setblocking(False)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{listener.getsockname()[1]}")
        assert list(_train(tmp_path)) == [0, 1, 2]
        assert 1 <= _connections(listener) <= 4
        assert list(_train(tmp_path)) == [0, 1, 2]
        assert _connections(listener) == 0  # the process does not try again
    (warning,) = _warnings(caplog)
    assert "timed out" in warning.lower() or "timeout" in warning.lower()


def test_a_server_that_breaks_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with _server({}, status=500) as (uri, asked):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert list(_train(tmp_path)) == [0, 1, 2]
    assert 1 <= len(asked) <= 4
    assert len(_warnings(caplog)) == 1


def test_a_server_that_dies_during_training_does_not_stop_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    experiment = {"experiment": {"experiment_id": "1", "name": "cells", "lifecycle_stage": "active"}}
    run = {"run": {"info": {"run_id": "r1", "experiment_id": "1", "status": "RUNNING"}, "data": {}}}
    with _server({"get-by-name": experiment, "create": run}) as (uri, asked):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        training = _train(tmp_path)
        assert next(training) == 0
        assert _warnings(caplog) == []
        assert asked.count("log-batch") == 2  # the parameters, the first epoch
    assert list(training) == [1, 2]
    assert len(_warnings(caplog)) == 1
    assert asked.count("log-batch") == 2


def test_a_store_that_mlflow_refuses_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    assert list(_train(tmp_path)) == [0, 1, 2]
    (warning,) = _warnings(caplog)
    assert "sqlite:///mlflow.db" in warning


def test_a_database_that_is_none_is_left_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "mlflow.db").write_text("notes of somebody")
    assert list(_train(tmp_path)) == [0, 1, 2]
    assert (tmp_path / "mlflow.db").read_text() == "notes of somebody"
    assert len(_warnings(caplog)) == 1
