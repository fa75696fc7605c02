from __future__ import annotations

import errno
import json
import logging
import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cytopipe.cli import app
from cytopipe.core.pipeline.tracking.journal import Journal, Start, waiting
from cytopipe.core.pipeline.tracking.tracker import Tracker

LIGHT = """
import sys
from pathlib import Path
from cytopipe.core.pipeline.tracking.tracker import Tracker

Path("roc.csv").write_text("fpr,tpr\\n")
with Tracker(
    stage="evaluate", item="net", experiment="cells", params={"a": {"b": 1}}, inputs={}, root=Path(), live=False
) as t:
    t.log_metrics({"accuracy": 0.75})
    t.log_table(Path("roc.csv"))
    t.log_dict({"n": 3}, "details.json")
    t.tag("device", "cpu")
    if sys.argv[1:] == ["fail"]:
        raise ValueError("no image")
assert not {"mlflow", "sqlalchemy", "pandas"} & set(sys.modules)
"""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("cytopipe.core.pipeline.tracking.tracker._given_up", set())


def light(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A run of a stage that is no training, in a process of its own."""
    command = [sys.executable, "-c", LIGHT, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def tracker(folder: Path, **more: Any) -> Tracker:
    """A live run."""
    values: dict[str, Any] = {"stage": "train", "item": "net", "experiment": "cells", "params": {}, "inputs": {}}
    return Tracker(root=folder, **(values | more))


def runs(folder: Path) -> list[Any]:
    """All runs of the project, oldest first."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("cells")
    assert experiment is not None
    return client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])


def test_a_light_run_waits_for_the_next_live_one(tmp_path: Path) -> None:
    assert light(tmp_path).returncode == 0
    assert not (tmp_path / "mlflow.db").exists()
    (journal,) = waiting(tmp_path)
    start, end = journal.start, journal.end
    with tracker(tmp_path):
        pass
    assert waiting(tmp_path) == []
    first, second = runs(tmp_path)
    assert (second.info.run_name, second.info.status) == ("train@net", "FINISHED")
    assert (first.info.run_name, first.info.status) == ("evaluate@net", "FINISHED")
    assert end and (first.info.start_time, first.info.end_time) == (start.time_ms, end.time_ms)
    assert first.data.params == {"a.b": "1"}
    assert first.data.metrics == {"accuracy": 0.75}
    assert (first.data.tags["device"], first.data.tags["stage"]) == ("cpu", "evaluate")
    stored = tmp_path / "mlruns/cells" / first.info.run_id / "artifacts"
    assert (stored / "tables/roc.csv").read_text() == "fpr,tpr\n"
    assert json.loads((stored / "details.json").read_text()) == {"n": 3}


def test_a_light_run_that_fails_is_sent_at_once(tmp_path: Path) -> None:
    assert "no image" in light(tmp_path, "fail").stderr
    (run,) = runs(tmp_path)
    assert (run.info.status, run.data.tags["mlflow.note.content"]) == ("FAILED", "ValueError: no image")


def test_what_a_server_misses_is_sent_by_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        gone = f"http://me:secret@127.0.0.1:{listener.getsockname()[1]}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", gone)
    monkeypatch.chdir(tmp_path)
    with tracker(tmp_path) as training:
        for epoch in range(3):
            training.log_metrics({"loss": 1 / (epoch + 1)}, step=epoch)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "`cytopipe sync` sends it" in warning

    failed = CliRunner().invoke(app, ["sync"])
    assert failed.exit_code == 1
    assert "cannot take the runs that wait" in failed.output and "secret" not in failed.output
    assert len(waiting(tmp_path)) == 1

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    done = CliRunner().invoke(app, ["sync"])
    assert (done.exit_code, "1 run(s) sent" in done.output) == (0, True)
    (run,) = runs(tmp_path)
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"loss": pytest.approx(1 / 3)})
    assert "0 run(s) sent" in CliRunner().invoke(app, ["sync"]).output


def test_a_run_that_was_half_sent_goes_on_without_doubles(tmp_path: Path) -> None:
    with tracker(tmp_path):
        pass
    assert light(tmp_path).returncode == 0
    (journal,) = waiting(tmp_path)
    from cytopipe.core.pipeline.tracking import sending
    from cytopipe.core.pipeline.tracking.store import open_store, tracking_uri

    uri = tracking_uri(tmp_path)
    client, experiment = open_store(uri, "cells", tmp_path)
    half = sending.create_run(client, experiment, journal)
    for call in journal.calls:
        sending.send_call(half, journal, call)
    assert sending.send_waiting(uri, tmp_path, wait=True).runs == 1
    assert [run.info.run_name for run in runs(tmp_path)] == ["train@net", "evaluate@net"]
    assert len(client.get_metric_history(half.run_id, "accuracy")) == 1


def test_a_run_that_mlflow_refuses_is_set_aside(tmp_path: Path) -> None:
    from cytopipe.core.pipeline.tracking.sending import send_waiting
    from cytopipe.core.pipeline.tracking.store import tracking_uri

    for params in ({"x" * 300: "1"}, {"fine": "1"}):
        Journal.begin(
            tmp_path, Start("cells", "evaluate@net", {"process": f"{socket.gethostname()} 1 0.00"}, params, 1)
        )
    sent = send_waiting(tracking_uri(tmp_path), tmp_path, wait=True)
    assert sent.runs == 1
    assert len(sent.refused) == 1 and "evaluate@net" in sent.refused[0]
    assert waiting(tmp_path) == []
    assert len(list((tmp_path / ".cytopipe/journal-refused").iterdir())) == 1


def test_a_call_that_a_kill_cut_off_is_left_out(tmp_path: Path) -> None:
    journal = Journal.begin(tmp_path, Start("cells", "a", {}, {}, 1))
    journal.add({"call": "tag", "name": "a", "value": "b"})
    with (journal.folder / "calls.jsonl").open("a") as file:
        file.write('{"call": "ta')
    assert [call["name"] for call in journal.calls] == ["a"]
    assert journal.end is None  # a process of unknown fate may still run
    assert waiting(tmp_path) == []


def test_a_full_disk_costs_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with tracker(tmp_path, live=False) as run:
        monkeypatch.setattr(Journal, "add", full)
        run.log_metrics({"loss": 1.0})
        run.log_metrics({"loss": 0.5})
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "No space left" in warning and "tracked no further" in warning
