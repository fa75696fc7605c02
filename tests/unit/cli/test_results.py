from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cytopipe.cli.results import describe_machine
from cytopipe.metrics.registry import measured_metrics
from cytopipe.results.numbers import Estimate
from fixture_types import Cytopipe, Git
from made_results import UNDEFINED, classifier_details, segmenter_details

MADE_BY = ("--command", "make repro", "--minutes", "1.5", "--machine", "Some CPU")


@pytest.fixture
def finished(project: Path) -> Path:
    """The project with a finished run of the tiny preset."""
    shutil.copy("workflow/presets/tiny.yaml", "params.yaml")
    dice = {f"dice_{part}": Estimate(value=0.5) for part in ("cell", "nucleus", "cytoplasm")}
    segmenter_details(dice, images=1).write(project / "results/segmenters/unet/details.json")
    about = {
        "masks": ("convnext_token_attention", "rgb+masks"),
        "resnet-rgb": ("timm/test_resnet", "rgb"),
        "resnet-masked": ("timm/test_resnet", "masked"),
    }
    for name, (architecture, channels) in about.items():
        metrics = {metric.key: UNDEFINED for metric in measured_metrics()}
        metrics["accuracy"] = Estimate(value=0.75, low=0.5, high=1.0)
        details = classifier_details(
            operating_points=(), dataset="tiny", architecture=architecture, channels=channels, metrics=metrics, images=1
        )
        details.write(project / "results/classifiers" / name / "details.json")
    return project


def test_models_that_have_not_been_run_are_left_out_only_on_demand(finished: Path, cytopipe: Cytopipe) -> None:
    (finished / "results/classifiers/resnet-masked/details.json").unlink()
    assert cytopipe("results", "--write", "tiny", *MADE_BY).exit_code == 1
    assert cytopipe("results", "--write", "tiny", "--partial", *MADE_BY).exit_code == 0
    assert "resnet-masked" not in {row["system"] for row in json.loads(cytopipe("results", "--json").stdout)}


def test_no_stored_results_is_no_error(project: Path, cytopipe: Cytopipe) -> None:
    assert "no stored results" in cytopipe("results").stdout
    result = cytopipe("results", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])


def test_a_finished_run_is_stored_and_shown(finished: Path, cytopipe: Cytopipe) -> None:
    result = cytopipe("results", "--write", "tiny", *MADE_BY)
    assert result.exit_code == 0, result.stderr
    rows = json.loads(cytopipe("results", "--json").stdout)
    assert len(rows) == 6
    assert rows[-1] == {
        "dataset": "tiny", "system": "resnet-masked", "split": "grouped", "metric": "accuracy",
        "value": 0.75, "low": 0.5, "high": 1.0, "n": 1,
        "minutes": 1.5, "machine": "Some CPU", "commit": "unknown", "command": "make repro",
        "intervals": "group jackknife", "folds": None, "fold_mean": None, "fold_sd": None,
    }  # fmt: skip
    table = cytopipe("results").stdout
    assert "0.750 (0.500 to 1.000)" in table and "tiny: `make repro`, 1.5 min on Some CPU" in table


def test_the_commit_is_clean_when_only_parameters_and_documents_changed(
    finished: Path, git: Git, cytopipe: Cytopipe
) -> None:
    shutil.copy("workflow/presets/demo.yaml", "params.yaml")
    (finished / ".gitignore").write_text("/results/\n")
    git("add", ".")
    git("commit", "-m", "first")
    shutil.copy("workflow/presets/tiny.yaml", "params.yaml")

    def commit() -> str:
        assert cytopipe("results", "--write", "tiny", *MADE_BY).exit_code == 0
        return str(json.loads((finished / "docs/results/tiny.json").read_text())["commit"])

    assert len(commit()) == 40
    assert len(commit()) == 40  # docs/results/tiny.json is new now
    (finished / "dvc.yaml").write_text("stages: {} # edited\n")
    assert commit().endswith("-dirty")


def test_results_are_not_stored_under_another_presets_name(finished: Path, cytopipe: Cytopipe) -> None:
    result = cytopipe("results", "--write", "demo", *MADE_BY)
    assert result.exit_code == 1
    assert "differs from the preset 'demo'" in result.stderr
    assert not (finished / "docs").exists()


def test_results_of_an_unfinished_run_are_not_stored(finished: Path, cytopipe: Cytopipe) -> None:
    shutil.rmtree("results")
    result = cytopipe("results", "--write", "tiny", *MADE_BY)
    assert result.exit_code == 1
    assert "dvc repro" in result.stderr
    assert not (finished / "docs").exists()


@pytest.mark.parametrize("given", [(), ("--command", "x"), ("--minutes", "1"), ("--command", "x", "--minutes", "0")])
def test_command_and_minutes_are_required(finished: Path, cytopipe: Cytopipe, given: tuple[str, ...]) -> None:
    result = cytopipe("results", "--write", "tiny", *given)
    assert result.exit_code == 1
    assert "--command and --minutes" in result.stderr


def test_a_machine_is_its_cpu_and_not_its_name(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\n\nprocessor\t: 1\nmodel name\t: Fast CPU @ 3 GHz\n"
    )
    assert describe_machine(cpuinfo).startswith("Fast CPU @ 3 GHz, ")
    assert describe_machine(cpuinfo).endswith(" cores")
    assert describe_machine(tmp_path / "none").endswith(" cores")


def test_costs_of_the_finished_classifiers_are_shown_drawn_and_stored(finished: Path, cytopipe: Cytopipe) -> None:
    spent = finished / ".cytopipe/times/train_classifier@masks.json"
    spent.parent.mkdir(parents=True)
    spent.write_text('{"cpu_seconds": 90.0, "threads": 1}')
    result = cytopipe("results", "--pareto", "--figure", "cost.png", "--store", "docs/networks.json")
    assert result.exit_code == 0, result.stderr
    (masks,) = [line for line in result.stdout.splitlines() if line.startswith("masks")]
    assert " 1.50 " in masks and masks.endswith("t p")
    assert (finished / "cost.png").stat().st_size > 5_000
    rows = json.loads(cytopipe("results", "--pareto", "--json").stdout)
    assert {row["name"]: row["cpu_minutes"] for row in rows} == {
        "masks": 1.5,
        "resnet-rgb": None,
        "resnet-masked": None,
    }
    shutil.rmtree("results")
    stored = cytopipe("results", "--pareto")
    assert " 1.50 " in stored.stdout and "stored in docs/networks.json" in stored.stderr
    assert "are different tables" in cytopipe("results", "--pareto", "--write", "tiny").stderr
    assert "neither .png nor .svg" in cytopipe("results", "--pareto", "--figure", "cost.gif").stderr
    assert "belong to --pareto" in cytopipe("results", "--figure", "cost.png").stderr
    (finished / "docs/networks.json").unlink()
    assert "no classifier is finished" in cytopipe("results", "--pareto").stderr


def test_stored_costs_do_not_stand_for_a_project_that_cannot_be_read(finished: Path, cytopipe: Cytopipe) -> None:
    assert cytopipe("results", "--pareto", "--store", "networks.json").exit_code == 0
    (finished / "docs").mkdir()
    (finished / "networks.json").rename(finished / "docs/networks.json")
    (finished / "params.yaml").write_text("classifiers: 3\n")
    result = cytopipe("results", "--pareto")
    assert result.exit_code == 1 and "params.yaml" in result.stderr and not result.stdout


def test_networks_of_unknown_cost_come_last(finished: Path, cytopipe: Cytopipe) -> None:
    spent = finished / ".cytopipe/times/train_classifier@masks.json"
    spent.parent.mkdir(parents=True)
    spent.write_text('{"cpu_seconds": 90.0, "threads": 1}')
    assert json.loads(cytopipe("results", "--pareto", "--json").stdout)[0]["name"] == "masks"
