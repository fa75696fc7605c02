from __future__ import annotations

import io
import logging
import shutil
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from cytopipe.deploy.mlflow.log import log_model
from cytopipe.models.files import model_id
from cytopipe.models.inference.predictor import Predictor
from fixture_types import SaveClassifier, Track
from made_ensemble import make_ensemble

TAGS = {"dataset": "cells", "classifier": "first"}


def logged_models(client: Any) -> list[Any]:
    experiment = client.get_experiment_by_name("cells")
    return list(client.search_logged_models([experiment.experiment_id])) if experiment else []


def the_runs(client: Any) -> list[Any]:
    experiment = client.get_experiment_by_name("cells")
    return list(client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"]))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_model_is_logged_in_the_run_that_trained_it(
    track: Track, client: Any, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with track() as tracker:
        log_model(tracker, model, "first", TAGS)
    (logged,), (run,) = logged_models(client), the_runs(client)
    assert (logged.name, logged.status, logged.source_run_id) == ("first", "READY", run.info.run_id)
    assert {**TAGS, "identity": model_id(model)}.items() <= logged.tags.items()
    assert logged.params == {"lr": "0.1"}
    assert [one.model_id for one in run.outputs.model_outputs] == [logged.model_id]
    assert run.info.status == "FINISHED" and warnings(caplog) == []


def test_a_logged_model_predicts(track: Track, client: Any, model: Path, files: list[bytes], tmp_path: Path) -> None:
    import mlflow

    with track() as tracker:
        log_model(tracker, model, "first", TAGS)
    (logged,) = logged_models(client)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    try:
        loaded = mlflow.pyfunc.load_model(f"models:/{logged.model_id}")
    finally:
        mlflow.set_tracking_uri(before)
    assert loaded.predict(pd.DataFrame({"image": files}))["error"].isna().all()
    assert loaded.metadata.run_id == logged.source_run_id
    assert list(loaded.metadata.get_input_schema().input_names()) == ["image"]
    shutil.rmtree(model)  # the logged model stands alone
    assert len(loaded.predict(pd.DataFrame({"image": files}))) == len(files)


def test_equal_models_are_logged_once(track: Track, client: Any, model: Path, make_model: SaveClassifier) -> None:
    for _ in range(2):
        with track() as tracker:
            log_model(tracker, model, "first", TAGS)
    (logged,) = logged_models(client)
    assert [[one.model_id for one in run.outputs.model_outputs] for run in the_runs(client)] == [[logged.model_id]] * 2
    with track() as tracker:
        log_model(tracker, make_model(model.with_name("other"), seed=1), "first", TAGS)
    assert len(logged_models(client)) == 2


def test_folds_are_logged_as_the_one_model_that_they_are(
    track: Track, client: Any, make_model: SaveClassifier, files: list[bytes], tmp_path: Path
) -> None:
    import mlflow

    folder = make_ensemble(tmp_path / "crossed", lambda place, seed: make_model(place, "rgb", seed))
    with track() as tracker:
        log_model(tracker, folder, "first", TAGS)
    (logged,) = logged_models(client)
    assert logged.tags["identity"] == model_id(folder) and logged.tags["performance"].startswith("cross-validated")
    loaded = mlflow.pyfunc.load_model(logged.artifact_location)
    images = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in files]
    expected = [one.probabilities for one in Predictor.load(folder, torch.device("cpu"))(images)]
    found = loaded.predict(pd.DataFrame({"image": files}))
    # Not to the bit: the model takes the threads of its training, and the test those of its process.
    np.testing.assert_allclose(found[["p_bad", "p_good"]].to_numpy(float), expected, rtol=1e-6)


def test_folds_of_an_earlier_version_are_not_logged(track: Track, client: Any, model: Path, tmp_path: Path) -> None:
    (tmp_path / "crossed/folds").mkdir(parents=True)
    model.rename(tmp_path / "crossed/folds/0")
    with track() as tracker:
        log_model(tracker, tmp_path / "crossed", "first", TAGS)
    assert logged_models(client) == []
    assert [run.info.status for run in the_runs(client)] == ["FINISHED"]


# --- faults


def test_without_tracking_nothing_is_written(track: Track, model: Path, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").unlink()
    with track(enabled=False) as tracker:
        log_model(tracker, model, "first", TAGS)
    assert not (tmp_path / "mlflow.db").exists() and not (tmp_path / "mlruns").exists()


def test_a_server_that_is_down_costs_one_warning(
    track: Track, model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    start = time.monotonic()
    with track() as tracker:
        log_model(tracker, model, "first", TAGS)
    assert time.monotonic() - start < 10
    (warning,) = warnings(caplog)
    assert "Connection refused" in warning


def test_an_artifact_store_that_cannot_be_written_costs_one_warning_and_leaves_no_model(
    track: Track, client: Any, model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "mlruns").write_text("in the way")
    with track() as tracker:
        log_model(tracker, model, "first", TAGS)
        log_model(tracker, model, "first", TAGS)
    (warning,) = warnings(caplog)
    assert "mlruns" in warning
    assert [one.status for one in logged_models(client)] == ["FAILED"]


def test_an_interrupt_leaves_no_model_that_looks_complete(
    track: Track, client: Any, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cytopipe.deploy.mlflow.log.write_package", interrupted)
    with pytest.raises(KeyboardInterrupt), track() as tracker:
        log_model(tracker, model, "first", TAGS)
    assert [one.status for one in logged_models(client)] == ["FAILED"]
    assert [run.info.status for run in the_runs(client)] == ["KILLED"]


TRAIN = """
import logging, sys, time
from pathlib import Path
from cytopipe.deploy.mlflow.log import log_model
from cytopipe.core.pipeline.tracking.tracker import Tracker

logging.basicConfig(level=logging.INFO)
while not Path("go").exists():
    time.sleep(0.01)
name = sys.argv[1]
root = Path.cwd()
with Tracker(stage="train_classifier", item=name, experiment="cells", params={}, inputs={}, root=root) as tracker:
    log_model(tracker, root / name, name, {"classifier": name})
"""


def test_concurrent_stages_lose_no_model(client: Any, track: Track, make_model: SaveClassifier, tmp_path: Path) -> None:
    names = [f"net{number}" for number in range(3)]
    for number, name in enumerate(names):
        make_model(tmp_path / name, seed=number, channels="rgb")
    processes = [
        subprocess.Popen([sys.executable, "-c", TRAIN, name], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        for name in names
    ]
    (tmp_path / "go").touch()
    assert [process.communicate()[1] for process in processes] == [""] * 3
    models = logged_models(client)
    assert sorted(one.tags["classifier"] for one in models) == names
    assert {one.status for one in models} == {"READY"}
    assert len({one.tags["identity"] for one in models}) == 3
