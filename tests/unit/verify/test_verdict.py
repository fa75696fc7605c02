from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from committed_project import METRICS, Project
from cytopipe import paths
from cytopipe.core.pipeline.machine import Machine
from cytopipe.errors import CytopipeError
from cytopipe.verify import Present, to_json, to_table, write_record

OTHER_MACHINE = "on another machine: processor Two, recorded One, avx512f none, recorded yes"


def record(project: Project, machine: Machine) -> None:
    """Commit what dvc.lock does not hold."""
    project.leave(machine)
    write_record(Present(project.root), project.root / paths.RECORD)
    project.commit()


def run_elsewhere(project: Project, machine: Machine, **metrics: float) -> None:
    """A run on another machine: other weights, other metrics, the same data."""
    project.leave(machine)
    project.write("models/net", "other weights")
    project.write_metrics(**metrics)
    project.finish()


def test_the_same_bytes_are_bit_identical(project: Project) -> None:
    verdict = project.verify()
    assert verdict.line == "verify: bit-identical to HEAD: 4 outputs of 3 stages"
    assert verdict.holds
    assert [one.stage for one in verdict.stages] == ["draw", "train", "report"]
    assert project.run("git", "status", "--porcelain") == ""


def test_one_changed_byte_is_found_in_its_stage_and_output(project: Project) -> None:
    project.write("data/raw/b/c.png", "data/raw/b/C.png")
    verdict = project.verify()
    assert verdict.first and (verdict.first.stage, verdict.first.differing) == ("draw", ("data/raw",))
    assert not verdict.holds
    assert [one.status for one in verdict.stages] == ["differs", "same", "same"]
    assert "first other bytes at draw (data/raw), after 0 identical stages" in verdict.line
    assert "data/raw is not what dvc.lock here says: edited, or made by another engine" in verdict.line


def test_the_first_in_the_order_of_the_dag_is_named(project: Project) -> None:
    project.write("results/report.html", "other")
    project.write("models/net", "other")
    first = project.verify().first
    assert first and (first.stage, first.differing) == ("train", ("models/net",))


def test_another_machine_agrees_while_its_metrics_are_within_tolerance(
    project: Project, machine: Machine, older: Machine
) -> None:
    record(project, machine)
    run_elsewhere(project, older, accuracy=0.81, low=0.1)
    verdict = project.verify()
    assert verdict.kind == "within tolerance" and verdict.holds
    assert verdict.line == (
        "verify: agrees with HEAD: first other bytes at train (models/net, results/classifiers/net/metrics.json), "
        f"after 1 identical stages; {OTHER_MACHINE}; bytes are not promised (runtime.cpu is native and the machine "
        "another one); all 2 metrics within tolerance (most: classifiers/net accuracy 0.8100, recorded 0.8000, "
        "tolerance 0.02); dvc.lock now holds the hashes of this run: `git restore dvc.lock` brings the record back"
    )
    assert verdict.facts == {"processor": ("Two", "One"), "avx512f": ("none", "yes")}


def test_another_machine_departs_when_a_metric_is_beyond_its_tolerance(
    project: Project, machine: Machine, older: Machine
) -> None:
    record(project, machine)
    run_elsewhere(project, older, accuracy=0.75)
    verdict = project.verify()
    assert verdict.kind == "departs" and not verdict.holds
    assert "1 of 2 metrics beyond tolerance (classifiers/net accuracy 0.7500, recorded 0.8000" in verdict.line
    assert project.verify(tolerance=0.05).holds
    assert not project.verify(tolerance=0.049).holds


def test_where_bytes_are_promised_no_metric_makes_up_for_them(
    project: Project, machine: Machine, older: Machine
) -> None:
    record(project, machine.model_copy(update={"cpu": "portable"}))
    run_elsewhere(project, older.model_copy(update={"cpu": "portable"}))
    verdict = project.verify()
    assert verdict.kind == "departs"
    assert f"{OTHER_MACHINE}; bytes are promised here; all 2 metrics within tolerance" in verdict.line


def test_metrics_come_from_the_record_where_the_cache_does_not_have_them(
    project: Project, machine: Machine, older: Machine
) -> None:
    record(project, machine)
    run_elsewhere(project, older, accuracy=0.81)
    shutil.rmtree(project.root / ".dvc/cache")
    assert [one.recorded for one in project.verify().metrics.checks] == [0.8, 0.95]


def test_metrics_that_nobody_holds_are_said_to_be_missing(project: Project, older: Machine) -> None:
    run_elsewhere(project, older, accuracy=0.81)
    shutil.rmtree(project.root / ".dvc/cache")
    verdict = project.verify()
    assert verdict.kind == "departs" and verdict.metrics.unknown == (METRICS,)
    assert "the record's metrics are not at hand (`dvc fetch`)" in verdict.line


def test_a_record_of_another_lock_file_says_nothing(project: Project, machine: Machine, older: Machine) -> None:
    record(project, machine)
    run_elsewhere(project, machine)
    project.run("git", "add", "dvc.lock")
    project.commit()
    run_elsewhere(project, older, accuracy=0.1)
    project.write("models/net", "more other weights")
    found = {one.stage: one.there for one in project.verify().stages}
    assert found["draw"] == machine and found["train"] is None


def test_other_parameters_are_named_and_what_depends_on_them_is_not_compared(project: Project) -> None:
    project.set_param("explain", {"images": 7})
    project.set_param("runtime.num_threads", 3)
    project.write("models/net", "other")
    project.write_metrics(accuracy=0.1)
    project.write("results/report.html", "other")
    project.finish()
    verdict = project.verify()
    assert [one.status for one in verdict.stages] == ["same", "other parameters", "other parameters"]
    assert verdict.holds
    assert verdict.line.startswith(
        "verify: bit-identical to HEAD in 1 of 3 stages; 2 with other parameters (runtime.num_threads, explain."
    )
    assert verdict.line.endswith("dvc.lock changed: commit it to make this run the record")


def test_a_project_of_its_own_has_nothing_to_compare(project: Project) -> None:
    project.set_param("audit", "full")
    for path in ("data/raw/a.png", "models/net", "results/report.html"):
        project.write(path, "own")
    project.finish()
    verdict = project.verify()
    assert verdict.kind == "nothing to compare" and not verdict.holds
    assert verdict.line.startswith("verify: nothing to compare with HEAD: 3 with other parameters (audit)")


def test_changed_code_is_the_reason(project: Project) -> None:
    project.write("src/train.py", "another loss")
    project.write("models/net", "other")
    project.finish()
    verdict = project.verify()
    assert verdict.kind == "departs"
    assert "first other bytes at train (models/net), after 1 identical stages; src/train.py differs;" in verdict.line


def test_changed_code_that_changes_no_output_is_no_reason(project: Project) -> None:
    project.write("src/train.py", "a comment")
    assert project.verify().line == "verify: bit-identical to HEAD: 4 outputs of 3 stages"


def test_stages_that_have_not_run_are_counted(project: Project) -> None:
    shutil.rmtree(project.root / "results")
    assert project.verify().line == "verify: bit-identical to HEAD in 1 of 3 stages; 2 not run here"
    for name in ("data", "models"):
        shutil.rmtree(project.root / name)
    verdict = project.verify()
    assert verdict.line == "verify: nothing to compare with HEAD: 3 not run here"
    assert not verdict.holds


def test_an_older_revision_is_compared_without_a_checkout(project: Project) -> None:
    project.write("results/report.html", "new")
    project.finish()
    project.commit()
    assert project.verify().kind == "bit-identical"
    first = project.verify(rev="HEAD~1").first
    assert first and first.stage == "report" and first.edited == ()


def test_a_revision_without_a_lock_file_holds_no_record(project: Project) -> None:
    (project.root / "dvc.lock").unlink()
    project.commit()
    assert project.verify().line == "verify: nothing to compare: HEAD has no dvc.lock"


def test_errors_say_what_is_wrong(project: Project) -> None:
    with pytest.raises(CytopipeError, match="git knows no revision 'none'"):
        project.verify(rev="none")
    project.write("dvc.lock", "stages: [draw]")
    project.run("git", "add", "dvc.lock")
    project.commit()
    project.run("git", "checkout", "--quiet", "HEAD~1", "--", "dvc.lock")
    with pytest.raises(CytopipeError, match=r"not a dvc\.lock of DVC 3"):
        project.verify()
    shutil.rmtree(project.root / ".git")
    with pytest.raises(CytopipeError, match="not a project of git"):
        project.verify()


def test_a_stored_record_stands_for_a_revision(project: Project, machine: Machine, tmp_path: Path) -> None:
    project.leave(machine)
    file = tmp_path / "tiny.record.json"
    write_record(Present(project.root), file)
    stored = json.loads(file.read_text())
    assert list(stored["outputs"]) == ["draw", "train", "report"]
    assert stored["metrics"] == {METRICS: {"accuracy": 0.8, "low": 0.7, "high": 0.9, "auc": 0.95}}
    assert [one["stages"] for one in stored["machines"]] == [["draw", "train", "report"]]
    assert project.verify(file=file).line == f"verify: bit-identical to {file}: 4 outputs of 3 stages"
    project.write("models/net", "other")
    assert "first other bytes at train (models/net)" in project.verify(file=file).line


def test_an_unfinished_run_is_not_stored(project: Project, tmp_path: Path) -> None:
    (project.root / "models/net").unlink()
    with pytest.raises(CytopipeError, match="models/net: this output is missing"):
        write_record(Present(project.root), tmp_path / "record.json")


def test_table_and_json_hold_every_stage_metric_and_fact(project: Project, machine: Machine, older: Machine) -> None:
    record(project, machine)
    run_elsewhere(project, older, accuracy=0.7)
    verdict = project.verify()
    table = to_table(verdict)
    for cells in (["draw", "1/1", "same", "-"], ["avx512f", "none", "yes"]):
        assert any([cell.strip() for cell in line.strip("|").split("|")] == cells for line in table.splitlines())
    assert "**beyond**" in table
    found = json.loads(json.dumps(to_json(verdict)))
    assert found["first"] == {"stage": "train", "outputs": ["models/net", METRICS], "sources": []}
    assert found["machine"]["avx512f"] == {"here": "none", "recorded": "yes"}
    assert [one["passed"] for one in found["metrics"]] == [False, True]
    assert found["verdict"] == "departs" and not found["holds"] and not found["bytes_promised"]
