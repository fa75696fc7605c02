from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cytopipe.deploy.mlflow.log import log_model
from cytopipe.deploy.mlflow.registry import Winner, accept, register, registered_name
from cytopipe.errors import CytopipeError
from cytopipe.models.files import model_id
from cytopipe.results.predictions import Predictions
from fixture_types import SaveClassifier, Track
from made_ensemble import make_ensemble

NAME = "cells-smear"
TAGS = {"accuracy": "0.9", "accuracy_low": "0.8", "test_images": "40"}


@pytest.fixture(autouse=True)
def _all_messages(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="cytopipe")


@pytest.fixture
def second(make_model: SaveClassifier, model: Path) -> Path:
    return make_model(model.with_name("second"), seed=1, channels="rgb")


def train(track: Track, folder: Path) -> None:
    with track(item=folder.name) as tracker:
        log_model(tracker, folder, folder.name, {"classifier": folder.name})


def validated(right: int, first: int = 0) -> Predictions:
    """Predictions of 60 images in 12 groups, of which so many are right, spread over all groups."""
    correct = (np.arange(60) * right) % 60 < right
    images = [(f"{first + number:03}", f"g{number // 5}", "a") for number in range(60)]
    return Predictions.of_images(("a", "b"), images, np.eye(2)[1 - correct.astype(int)])


def winner_of(folder: Path, right: int = 30, identity: str = "", first: int = 0, **tags: str) -> Winner:
    identity = identity or model_id(folder)
    return Winner("smear", folder.name, identity, folder, {**TAGS, **tags}, "the highest", validated(right, first))


def compare(track: Track, folder: Path, right: int = 30, **changes: Any) -> None:
    with track(stage="compare", item=None) as tracker:
        register(tracker, NAME, winner_of(folder, right, **changes))


def versions(client: Any) -> list[Any]:
    return sorted(client.search_model_versions(f"name = '{NAME}'"), key=lambda one: int(one.version))


def the_best(client: Any, name: str = NAME) -> tuple[str, Any, Any]:
    """Number and entry of the version under the alias, and its logged model."""
    best = client.get_model_version_by_alias(name, "best")
    experiment = client.get_experiment_by_name("cells")
    (logged,) = [
        one
        for one in client.search_logged_models([experiment.experiment_id])
        if one.artifact_location == client.get_model_version_download_uri(name, best.version)
    ]
    return str(best.version), best, logged


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "cytopipe"]


def test_the_winner_becomes_the_best_version_with_the_results_of_its_test(
    track: Track, client: Any, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(track, model)
    compare(track, model)
    number, best, logged = the_best(client)
    assert (number, best.run_id) == ("1", logged.source_run_id)
    assert best.tags.items() >= {**TAGS, "identity": model_id(model), "classifier": "first"}.items()
    assert logged.tags["identity"] == model_id(model) and NAME in logged.tags["mlflow.modelVersions"]
    assert (best.tags["choice"], best.tags["reason"]) == ("the highest", "the first version")
    assert said(caplog) == [f"{NAME}: version 1, first, is models:/{NAME}@best (the first version)"]


def test_the_same_winner_adds_no_version_but_brings_new_numbers(track: Track, client: Any, model: Path) -> None:
    train(track, model)
    compare(track, model)
    train(track, model)  # again, to the same bytes
    compare(track, model, accuracy="0.95")
    (version,) = versions(client)
    assert version.tags["accuracy"] == "0.95"


def test_the_alias_moves_only_with_a_resolved_gain(
    track: Track, client: Any, model: Path, second: Path, caplog: pytest.LogCaptureFixture
) -> None:
    compare(track, model, right=30)
    compare(track, second, right=32)
    number, best, _ = the_best(client)
    assert (number, best.tags["classifier"]) == ("1", "first") and len(versions(client)) == 2
    reason = versions(client)[1].tags["reason"]
    assert reason.startswith("validation accuracy +0.033 against version 1 (95 % ") and "no resolved gain" in reason
    assert said(caplog)[-1].endswith(f"models:/{NAME}@best stays version 1 until `cytopipe accept smear`")
    compare(track, second, right=58)
    number, best, _ = the_best(client)
    assert number == "2" and best.tags["reason"].endswith(": a resolved gain")


def test_a_loss_does_not_move_the_alias_back(track: Track, client: Any, model: Path, second: Path) -> None:
    compare(track, model, right=58)
    compare(track, second, right=10)
    assert the_best(client)[0] == "1"


def test_folds_are_registered_and_found_again(
    track: Track, client: Any, make_model: SaveClassifier, tmp_path: Path
) -> None:
    folder = make_ensemble(tmp_path / "models/classifiers/folded", lambda place, seed: make_model(place, "rgb", seed))
    train(track, folder)
    compare(track, folder, performance="cross-validated")
    (one,) = versions(client)
    assert (one.tags["identity"], one.tags["performance"]) == (model_id(folder), "cross-validated")
    assert client.get_model_version_by_alias(NAME, "best").version == one.version


def test_acceptance_moves_the_alias_and_is_kept(track: Track, client: Any, model: Path, second: Path) -> None:
    compare(track, model, right=30)
    compare(track, second, right=30)
    assert accept(client, NAME, model_id(second), "half the parameters") == "2"
    number, best, _ = the_best(client)
    assert (number, best.tags["reason"]) == ("2", "accepted: half the parameters")
    with pytest.raises(CytopipeError, match="has no version of the model abc"):
        accept(client, NAME, "abc", "why not")


@pytest.mark.parametrize("lost", ["images", "table"])
def test_what_cannot_be_compared_does_not_move_the_alias(
    track: Track, client: Any, model: Path, second: Path, tmp_path: Path, lost: str
) -> None:
    compare(track, model, right=10)
    if lost == "table":
        for table in (tmp_path / "mlruns").rglob("validation"):
            shutil.rmtree(table)
    compare(track, second, right=58, first=100 if lost == "images" else 0)
    assert the_best(client)[0] == "1"
    expected = "validated on other images" if lost == "images" else "no predictions of validation images"
    assert expected in versions(client)[1].tags["reason"]


def test_the_version_is_of_the_bytes_that_were_tested_not_of_the_latest_training(
    track: Track, client: Any, model: Path, make_model: SaveClassifier
) -> None:
    train(track, model)
    tested = model_id(model)
    shutil.rmtree(model)
    train(track, make_model(model, seed=9))  # trained again, not yet tested
    assert model_id(model) != tested
    compare(track, model, identity=tested)
    assert the_best(client)[2].tags["identity"] == tested


@pytest.mark.parametrize("lost", ["database", "files"])
def test_a_winner_that_mlflow_does_not_hold_is_logged_now(
    track: Track, client: Any, model: Path, database: Path, tmp_path: Path, lost: str
) -> None:
    train(track, model)
    compare(track, model)
    if lost == "database":
        shutil.copy(database, tmp_path / "mlflow.db")
    else:
        shutil.rmtree(tmp_path / "mlruns")
    compare(track, model)
    _, _, logged = the_best(client)
    assert logged.tags["identity"] == model_id(model)
    assert "MLmodel" in [file.path for file in client.list_logged_model_artifacts(logged.model_id)]
    assert client.get_run(logged.source_run_id).data.tags["stage"] == "compare"


@pytest.mark.parametrize("there", [True, False])
def test_a_missing_winner_is_named_with_a_remedy(
    track: Track, client: Any, model: Path, caplog: pytest.LogCaptureFixture, there: bool
) -> None:
    if not there:
        shutil.rmtree(model)
    compare(track, model, identity="ab" * 6)
    assert versions(client) == []
    (line,) = said(caplog)
    assert "ababababab" in line and "dvc checkout" in line and "dvc repro -sf compare" in line


def test_without_tracking_one_line_says_so(track: Track, model: Path, caplog: pytest.LogCaptureFixture) -> None:
    with track(stage="compare", item=None, enabled=False) as tracker:
        register(tracker, NAME, winner_of(model))
    assert said(caplog) == [f"{NAME}: not registered, as tracking is off"]


def test_artifacts_that_cannot_be_written_cost_one_warning(
    track: Track, client: Any, model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "mlruns").write_text("in the way")
    winner = winner_of(model)
    with track(stage="compare", item=None) as tracker:
        register(tracker, NAME, winner)
        register(tracker, "cells-other", replace(winner, dataset="other"))
    (warning,) = said(caplog)
    assert "MLflow at" in warning and "failed" in warning
    assert versions(client) == []


def test_the_registered_name_is_valid_for_mlflow(track: Track, client: Any, model: Path) -> None:
    name = registered_name("/Users/me@lab: cells", "smear")
    with track(stage="compare", item=None) as tracker:
        register(tracker, name, winner_of(model))
    assert str(client.get_model_version_by_alias(name, "best").version) == "1"


COMPARE = """
import logging, sys, time
from pathlib import Path
from cytopipe.models.files import model_id
from cytopipe.deploy.mlflow.registry import Winner, register
from cytopipe.core.pipeline.tracking.tracker import Tracker
from cytopipe.results.predictions import Predictions

logging.basicConfig(level=logging.WARNING)
while not Path("go").exists():
    time.sleep(0.01)
name = sys.argv[1]
root = Path.cwd()
folder = root / "models/classifiers" / name
with Tracker(stage="compare", item=None, experiment="cells", params={}, inputs={}, root=root) as tracker:
    none = Predictions.of(("a", "b"), [])
    register(tracker, "cells-smear", Winner("smear", name, model_id(folder), folder, {}, "the highest", none))
assert "torch" not in sys.modules
"""


def test_concurrent_comparisons_lose_no_version(
    track: Track, client: Any, make_model: SaveClassifier, tmp_path: Path
) -> None:
    del track  # only its database is wanted
    names = [f"net{number}" for number in range(3)]
    for number, name in enumerate(names):
        make_model(tmp_path / "models/classifiers" / name, seed=number, channels="rgb")
    processes = [
        subprocess.Popen([sys.executable, "-c", COMPARE, name], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        for name in names
    ]
    (tmp_path / "go").touch()
    assert [process.communicate()[1] for process in processes] == [""] * 3
    assert sorted(one.tags["classifier"] for one in versions(client)) == names
    assert client.get_model_version_by_alias(NAME, "best").tags["classifier"] in names
