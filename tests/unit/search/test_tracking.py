"""A search in a real MLflow: one run, and below it one for each trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cytopipe.core.pipeline.tracking.tracker import Tracker
from cytopipe.search.outputs import write_search
from cytopipe.search.run import search
from cytopipe.search.tracking import track_trials
from made_search import Noise, make_job

TRIALS = 3


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """The runs of a search that was logged, by the identity of the run above them."""
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    job, folder = make_job(tmp_path / "work", Noise(), trials=TRIALS), tmp_path / "found"
    searched = search(job)
    folder.mkdir()
    result = write_search(folder, job, searched, "0" * 64)
    made: dict[str, Any] = {
        "stage": "search",
        "item": job.name,
        "experiment": "searches",
        "params": {},
        "inputs": {},
        "root": tmp_path,
    }
    with Tracker(**made) as tracker:
        track_trials(tracker, job, searched, result, folder)
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'searches'")
    found: dict[str, list[Any]] = {}
    for run in client.search_runs([experiment.experiment_id]):
        found.setdefault(run.data.tags.get("mlflow.parentRunId", ""), []).append(run)
    return found


def test_each_trial_is_a_run_below_that_of_the_search(runs: dict[str, list[Any]]) -> None:
    (parent,) = runs[""]
    children = runs[parent.info.run_id]
    assert set(runs) == {"", parent.info.run_id}
    assert parent.data.metrics["trials"] == TRIALS
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    assert {run.data.tags["trial"] for run in children} == {str(slot) for slot in range(TRIALS)}
    for run in children:
        assert run.data.params  # what the trial tried
        assert 0 <= run.data.metrics["accuracy"] <= 1
