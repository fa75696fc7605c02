from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cytopipe.core.pipeline.tracking.provenance import git_commit
from cytopipe.core.pipeline.tracking.tracker import Tracker

SHA = "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "CYTOPIPE_PASS", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)


def _tracker(root: Path, stage: str = "train_classifier", item: str | None = "hep2", **more: Any) -> Tracker:
    settings: dict[str, Any] = {"experiment": "cells", "params": {"lr": 0.1}, "inputs": {}}
    return Tracker(stage=stage, item=item, root=root, **(settings | more))


def _runs(database: Path, experiment_name: str = "cells") -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{database}")
    experiment = client.get_experiment_by_name(experiment_name)
    assert experiment is not None
    return client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])


def _git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _repository(root: Path) -> str:
    (root / ".gitignore").write_text("mlruns/\nmlflow.db*\n.cytopipe/\n")
    (root / "dvc.lock").write_text("schema: '2.0'\n")
    _git(root, "init", "-q")
    _git(root, "add", ".")
    _git(root, "commit", "-q", "-m", "first")
    return _git(root, "rev-parse", "HEAD")


# --- what a run holds


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Any, str]]:
    """A project (with a space in its path), its only run, which is finished, and its commit."""
    root = tmp_path_factory.mktemp("my project")
    commit = _repository(root)
    (root / "roc.png").write_bytes(b"picture")
    (root / "roc.csv").write_text("fpr,tpr\n")
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        environment.delenv("DVC_EXP_BASELINE_REV", raising=False)
        environment.setenv("CYTOPIPE_PASS", "pass-1")
        environment.setenv("DVC_EXP_NAME", "bold-cell")
        environment.setattr(sys, "argv", [str(root / "stages" / "train_classifier.py")])
        params = {"optimiser": {"name": "adamw", "lr": 1e-3}, "classes": ["a", "b"]}
        inputs = {"data/tensors/hep2/manifest.csv": SHA}
        with _tracker(root, params=params, inputs=inputs) as tracker:
            tracker.log_metrics({"train/loss": 2.0, "val/f1": 0.25}, step=0)
            tracker.log_metrics({"train/loss": 1.0, "val/f1": float("nan")}, step=1)
            tracker.log_metrics({"test accuracy (macro)": 0.75})
            tracker.log_figure(root / "roc.png")
            tracker.log_table(root / "roc.csv")
            tracker.log_dict({"n": 3}, "summary.json")
            tracker.log_text("# Leaderboard\n", "leaderboard.md")
            tracker.tag("device", "cpu")
    (run,) = _runs(root / "mlflow.db")
    yield root, run, commit


def test_a_run_holds_flat_parameters(tracked: tuple[Path, Any, str]) -> None:
    assert tracked[1].data.params == {
        "optimiser.name": "adamw",
        "optimiser.lr": "0.001",
        "classes": '["a", "b"]',
    }


def test_a_run_holds_every_epoch_and_drops_what_is_not_finite(tracked: tuple[Path, Any, str]) -> None:
    from mlflow import MlflowClient

    root, run, _ = tracked
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    history = {
        name: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)] for name in run.data.metrics
    }
    assert history == {
        "train/loss": [(0, 2.0), (1, 1.0)],
        "val/f1": [(0, 0.25)],
        "test accuracy _macro_": [(0, 0.75)],
    }


def test_a_run_is_named_and_tagged_with_its_origin(tracked: tuple[Path, Any, str]) -> None:
    _, run, commit = tracked
    assert run.info.run_name == "train_classifier@hep2"
    assert run.info.status == "FINISHED"
    tags = {name: value for name, value in run.data.tags.items() if name not in ("engine", "mlflow.runName", "process")}
    assert tags == {
        "stage": "train_classifier",
        "item": "hep2",
        # roc.png and roc.csv are not committed.
        "commit": f"{commit}-dirty",
        "pipeline_pass": "pass-1",
        "dvc_experiment": "bold-cell",
        "input.data/tensors/hep2/manifest.csv": SHA,
        "device": "cpu",
        "mlflow.source.name": "stages/train_classifier.py",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": commit,
    }


def test_files_of_a_run_lie_in_the_projects_mlruns(tracked: tuple[Path, Any, str]) -> None:
    root, run, _ = tracked
    artifacts = root / "mlruns" / "cells" / run.info.run_id / "artifacts"
    found = {str(path.relative_to(artifacts)) for path in artifacts.rglob("*") if path.is_file()}
    assert found == {"figures/roc.png", "tables/roc.csv", "summary.json", "leaderboard.md"}
    assert json.loads((artifacts / "summary.json").read_text()) == {"n": 3}


@pytest.fixture
def project(tracked: tuple[Path, Any, str], tmp_path: Path) -> Path:
    """A project with an existing database, which takes a second to create; its experiment is `second`."""
    shutil.copy(tracked[0] / "mlflow.db", tmp_path)
    return tmp_path


# --- how a run ends


def test_runs_that_fail_or_are_interrupted_say_so(project: Path) -> None:
    ends: list[tuple[BaseException | None, str]] = [
        (None, "FINISHED"),
        (ValueError("loss is NaN"), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
        (SystemExit(0), "FINISHED"),
        (SystemExit(1), "FAILED"),
        (SystemExit(143), "KILLED"),
    ]
    for error, _ in ends:
        try:
            with _tracker(project, stage="evaluate", item=None, experiment="second"):
                if error is not None:
                    raise error
        except BaseException as raised:
            assert raised is error
    runs = _runs(project / "mlflow.db", "second")
    assert [run.info.status for run in runs] == [status for _, status in ends]
    assert runs[1].data.tags["mlflow.note.content"] == "ValueError: loss is NaN"
    assert runs[0].info.run_name == "evaluate" and "item" not in runs[0].data.tags


# --- where runs go


def test_the_tracking_uri_of_the_environment_wins(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "shared").mkdir()
    (project / "mlflow.db").rename(project / "shared" / "other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///shared/other.db")
    with _tracker(project, experiment="second"):
        pass
    assert [run.info.status for run in _runs(project / "shared" / "other.db", "second")] == ["FINISHED"]
    assert not (project / "mlflow.db").exists()


def test_mlflow_is_not_imported_before_it_is_used(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from cytopipe.core.pipeline.tracking.tracker import Tracker

names = {"stage": "s", "item": None, "experiment": "e", "params": {}, "inputs": {}}
with Tracker(**names, enabled=False, root=Path.cwd()) as t:
    t.log_metrics({"loss": float("nan")}, step=0)
    t.log_figure(Path("none.png"))
    t.log_dict({}, "x.json")
    t.tag("a", "b")
assert not [name for name in sys.modules if name.split(".")[0] in ("mlflow", "sqlalchemy", "pandas")]
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


# --- several processes

RUN = """
import logging, sys, time
from pathlib import Path
from cytopipe.core.pipeline.tracking.tracker import Tracker

logging.basicConfig(level=logging.INFO)
while not Path("go").exists():
    time.sleep(0.01)
with Tracker(stage="train", item=sys.argv[1], experiment="cells", params={}, inputs={}, root=Path.cwd()) as t:
    for step in range(3):
        t.log_metrics({"loss": 3.0 - step, "f1": step / 4}, step=step)
"""


def test_parallel_first_runs_do_not_lose_each_other(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", RUN, f"net{i}"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        for i in range(3)
    ]
    (tmp_path / "go").touch()
    # Migrations and other chatter of MLflow do not reach the console either.
    assert [process.communicate()[1] for process in processes] == [""] * 3
    runs = _runs(tmp_path / "mlflow.db")
    assert sorted(run.data.tags["item"] for run in runs) == ["net0", "net1", "net2"]
    assert [(run.info.status, run.data.metrics) for run in runs] == [("FINISHED", {"loss": 1.0, "f1": 0.5})] * 3


def test_a_kill_while_the_database_is_created_does_not_spoil_it(tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    with subprocess.Popen([sys.executable, "-c", RUN, "net"], cwd=tmp_path) as first:
        fresh = tmp_path / "mlflow.db.new"
        deadline = time.monotonic() + 30
        while not (fresh.exists() and fresh.stat().st_size > 100_000) and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(first.pid, signal.SIGKILL)
    assert fresh.exists() and not (tmp_path / "mlflow.db").exists()
    with _tracker(tmp_path):
        pass
    # The journal of the killed run is sent as well.
    assert [run.info.status for run in _runs(tmp_path / "mlflow.db")] == ["KILLED", "FINISHED"]
    assert not fresh.exists()


def test_the_run_of_a_process_that_was_killed_is_ended_by_the_next_of_its_stage(tmp_path: Path) -> None:
    script = """
import sys, time
from pathlib import Path
from cytopipe.core.pipeline.tracking.tracker import Tracker
with Tracker(stage="evaluate", item=sys.argv[1], experiment="cells", params={}, inputs={}, root=Path()):
    Path(sys.argv[1]).touch()
    time.sleep(60)
"""
    command = [sys.executable, "-c", script]
    with (
        subprocess.Popen([*command, "dead"], cwd=tmp_path) as dead,
        subprocess.Popen([*command, "alive"], cwd=tmp_path) as alive,
    ):
        deadline = time.monotonic() + 60
        while not all((tmp_path / name).exists() for name in ("dead", "alive")) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(dead.pid, signal.SIGKILL)
        dead.wait()
        for item in ("dead", "alive"):
            with _tracker(tmp_path, "evaluate", item):
                pass
        states = [(run.data.tags["item"], run.info.status) for run in _runs(tmp_path / "mlflow.db")]
        assert sorted(states) == [("alive", "FINISHED"), ("alive", "RUNNING"), ("dead", "FINISHED"), ("dead", "KILLED")]
        alive.kill()


def test_values_that_are_not_finite_are_named_in_a_warning(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    values: dict[str, Any] = {"loss": float("inf"), "auc": None, "f1": 0.5}
    with caplog.at_level(logging.WARNING, logger="cytopipe"), _tracker(project, experiment="second") as tracker:
        tracker.log_metrics(values, step=4)
    assert [record.getMessage() for record in caplog.records] == [
        "not finite, so not sent to MLflow: loss, auc (step 4)"
    ]
    (run,) = _runs(project / "mlflow.db", "second")
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"f1": 0.5})


def test_a_commit_is_dirty_when_the_tree_differs_but_not_for_the_lock_that_dvc_writes(tmp_path: Path) -> None:
    assert git_commit(tmp_path) is None
    commit = _repository(tmp_path)
    assert git_commit(tmp_path) == commit
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    assert git_commit(tmp_path) == commit
    (tmp_path / "module.py").touch()
    assert git_commit(tmp_path) == f"{commit}-dirty"
