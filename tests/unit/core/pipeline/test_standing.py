"""Which stages are done, running, failed or waiting, and what is left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from cytopipe import paths
from cytopipe.core.io.locks import StageLock
from cytopipe.core.pipeline import standing
from cytopipe.core.pipeline.last_runs import note_failed, note_finished
from cytopipe.core.pipeline.standing import standings, told


@pytest.fixture
def project(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(root / "workflow/presets/tiny.yaml", tmp_path / "params.yaml")
    shutil.copy(root / "dvc.yaml", tmp_path)
    paths.STATE.mkdir()
    return tmp_path


def test_a_finished_project_is_done(project: Path) -> None:
    found = standings(project, {})
    assert {one.state for one in found} == {"done"}
    assert told(found).endswith(f"All {len(found)} stages are done.")
    labels = [one.label.partition("@")[0] for one in found]
    order = ["download", "organize", "build_tensors", "train_classifier", "evaluate", "compare", "report"]
    assert [labels.index(name) for name in order] == sorted(labels.index(name) for name in order)


def test_what_comes_after_a_change_waits_and_its_times_are_added(project: Path) -> None:
    found = standings(project, {"compare": "changed: src/x"})
    left = [one.label for one in found if one.state == "waiting"]
    assert left == ["compare", "report"]
    note_finished("compare", 30.0, 1)
    assert told(standings(project, {"compare": "changed: src/x"})).splitlines()[-1] == (
        f"2 of {len(found)} stages are left: at most 30 s by the last times, and 1 that never ran here."
    )
    note_finished("report", 90.0, 1)
    assert "at most 2 min by the last times." in told(standings(project, {"compare": "changed: src/x"}))


def test_a_network_made_of_a_search_comes_after_it_and_waits_for_it(project: Path) -> None:
    values = yaml.safe_load((project / "params.yaml").read_text())
    values["searches"] = {
        "rates": {
            "base": "classifiers.resnet-rgb",
            "data": "data/tensors/tiny",
            "pretrained": "workflow/weights/none",
            "space": {"training.learning_rate": {"log": [0.001, 0.01]}},
        }
    }
    best = "results/searches/rates/best.yaml"
    values["classifiers"]["found"] = {"dataset": "tiny", "from_search": "rates", "pretrained": best}
    (project / "params.yaml").write_text(yaml.safe_dump(values))
    found = standings(project, {"search@rates": "changed: src/x"})
    waiting = [one.label for one in found if one.state == "waiting"]
    assert waiting[0] == "search@rates"
    assert {"train_classifier@found", "evaluate@found"} < set(waiting)
    assert "train_classifier@resnet-rgb" not in waiting


def test_a_stage_that_failed_names_its_log_and_one_that_runs_is_told(project: Path) -> None:
    note_failed("compare")
    paths.LOGS.mkdir()
    (paths.LOGS / "compare.log").touch()
    text = told(standings(project, {"compare": "changed: src/x"}))
    line = next(line for line in text.splitlines() if line.startswith("failed"))
    assert line.split(maxsplit=2)[1:] == ["compare", "changed: src/x; see logs/compare.log"]
    with StageLock(paths.LOCKS / "report.lock"):
        assert {one.label: one.state for one in standings(project, {})}["report"] == "running"
    assert {one.label: one.state for one in standings(project, {})}["report"] == "done"


def test_reasons_of_dvc() -> None:
    parts = [
        {"changed deps": {"data/a": "modified", "params.yaml": {"classifiers.x": "modified"}}},
        {"changed outs": {"models/a": "deleted", "models/b": "deleted"}},
        "changed command",
    ]
    assert standing._reasons(parts) == "changed: data/a, classifiers.x, models/a and 2 more"
    assert standing._reasons(["changed command"]) == "changed: command"
