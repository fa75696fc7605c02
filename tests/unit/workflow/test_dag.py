from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo
from workflow.dag import Dag, Output, fingerprint

from cytopipe.errors import CytopipeError

ROOT = Path(__file__).resolve().parents[3]
Make = Callable[[Path | dict[str, Any]], Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    (root / "a").mkdir(parents=True)
    (root / "a/1.png").write_bytes(b"one")
    (root / "2.png").write_bytes(b"two")
    return root


def test_rules_are_the_stages_of_dvc(project: Make, several: dict[str, Any]) -> None:
    root = project(several)
    stages = {stage.name: stage for stage in Repo(str(root)).index.stages}
    rules = {rule.name: rule for rule in Dag(str(root)).rules}
    assert rules.keys() == stages.keys()
    for name, stage in stages.items():
        assert rules[name].command == stage.cmd
        assert [out.path for out in rules[name].outputs] == [out.def_path for out in stage.outs]
        assert rules[name].meta == {key: value for key, value in stage.meta.items() if key != "shared"}


def test_rules_depend_on_each_other_as_the_stages_of_dvc_do(project: Make, several: dict[str, Any]) -> None:
    root = project(several)
    graph = Repo(str(root)).index.graph
    expected = {(later.name, earlier.name) for later, earlier in graph.edges}
    rules = Dag(str(root)).rules
    made_by = {out.path: rule.name for rule in rules for out in rule.outputs}
    edges = {(rule.name, made_by[path]) for rule in rules for path in rule.inputs if path in made_by}
    assert edges == expected


def test_every_entry_becomes_a_stage_of_its_own(project: Make, several: dict[str, Any]) -> None:
    rules = {rule.name: rule for rule in Dag(str(project(several))).rules}
    per_dataset = ("download", "organize", "generate_masks", "build_tensors", "audit")
    per_classifier = ("train_classifier", "evaluate", "explain")
    assert rules.keys() == {
        *(f"{stage}@{dataset}" for stage in per_dataset for dataset in ("smear", "blood")),
        *(f"train_segmenter@{name}" for name in ("fine", "coarse")),
        *(f"{stage}@{name}" for stage in per_classifier for name in several["classifiers"]),
        *(f"evaluate_screening@{name}" for name in several["screenings"]),
        *(f"evaluate_external@{name}" for name in several["evaluations"]),
        "compare",
        "report",
    }
    assert rules["train_classifier@blood-small"].command == "python stages/train_classifier.py blood-small"
    assert "data/tensors/blood" in rules["train_classifier@blood-small"].inputs
    assert "models/segmenters/coarse" in rules["generate_masks@blood"].inputs
    assert "models/segmenters/fine" in rules["generate_masks@smear"].inputs
    assert {"models/segmenters/fine", "models/classifiers/big"} < set(rules["evaluate_screening@by-masks"].inputs)
    assert {"models/classifiers/blood-small", "models/classifiers/blood-big", "data/raw/blood"} < set(
        rules["evaluate_screening@by-patches"].inputs
    )
    assert "results/screenings/by-masks/metrics.json" in rules["report"].inputs
    assert {"data/organized/blood", "models/classifiers/big", "results/classifiers/big/predictions.csv"} < set(
        rules["evaluate_external@big-on-blood"].inputs
    )
    assert "results/external/fine-on-blood/metrics.json" in rules["report"].inputs


def test_nothing_to_screen_leaves_no_stage_of_it_and_a_report_all_the_same(project: Make, tiny: dict[str, Any]) -> None:
    # DVC refuses a missing folder: `compare` writes into results/screenings, whatever is screened.
    rules = {rule.name: rule for rule in Dag(str(project({**tiny, "screenings": {}}))).rules}
    assert not [name for name in rules if name.startswith("evaluate_screening")]
    assert [path for path in rules["report"].inputs if path.startswith("results/screenings")] == [
        "results/screenings/screenings.json"
    ]


def test_nothing_to_test_elsewhere_leaves_no_stage_of_it(project: Make, tiny: dict[str, Any]) -> None:
    rules = {rule.name: rule for rule in Dag(str(project(tiny))).rules}
    assert not [name for name in rules if name.startswith("evaluate_external")]
    assert "results/external/evaluations.json" in rules["report"].inputs


def test_engines_say_what_to_write_for_a_file_without_evaluations(project: Make, tiny: dict[str, Any]) -> None:
    without = {key: value for key, value in tiny.items() if key != "evaluations"}
    with pytest.raises(CytopipeError, match=r"evaluations: must be given: \{\} for no model"):
        Dag(str(project(without)))


def test_every_output_is_a_target(project: Make, tiny: dict[str, Any]) -> None:
    dag = Dag(str(project(tiny)))
    assert dag.targets == [out.path for rule in dag.rules for out in rule.outputs]
    assert {"data/raw/tiny", "models/classifiers/masks", "results/leaderboard.json"} < set(dag.targets)


def test_code_folders_stand_as_their_modules(project: Make, tiny: dict[str, Any]) -> None:
    rule = next(rule for rule in Dag(str(project(tiny))).rules if rule.name == "organize@tiny")
    assert "src/cytopipe/core/io/atomic.py" in rule.inputs
    assert "src/cytopipe/core/io" not in rule.inputs
    assert not [path for path in rule.inputs if "__pycache__" in path]


def test_params_carry_their_values(project: Make, tiny: dict[str, Any]) -> None:
    rules = {rule.name: rule for rule in Dag(str(project(tiny))).rules}
    assert rules["build_tensors@tiny"].params["params.yaml:datasets.tiny.image_size"] == 32
    classifier = rules["train_classifier@masks"].params
    assert classifier["params.yaml:classifiers.masks"]["training"]["learning_rate"] == 0.002
    assert classifier["params.yaml:runtime.num_threads"] == 1


@pytest.mark.parametrize(("device", "gpus"), [("cpu", 0), ("auto", 1), ("cuda", 1)])
def test_only_what_may_run_on_a_gpu_reserves_one(project: Make, tiny: dict[str, Any], device: str, gpus: int) -> None:
    tiny["runtime"]["device"] = device
    rules = {rule.name: rule for rule in Dag(str(project(tiny))).rules}
    assert rules["train_classifier@masks"].gpus == gpus
    assert rules["organize@tiny"].gpus == 0


def test_a_training_on_several_devices_reserves_all_of_them(project: Make, tiny: dict[str, Any]) -> None:
    tiny["runtime"] |= {"device": "auto", "devices": 4, "num_threads": 2}
    rules = {rule.name: rule for rule in Dag(str(project(tiny))).rules}
    for name in ("train_segmenter@unet", "train_classifier@masks"):
        rule = rules[name]
        assert (rule.gpus, rule.meta["threads"], rule.meta["mem_mb"]) == (4, 8, 32_000)
        assert rule.params["params.yaml:runtime.devices"] == 4  # another number trains again
    assert rules["generate_masks@tiny"].gpus == 1
    assert "params.yaml:runtime.devices" not in rules["generate_masks@tiny"].params


def test_outputs_without_a_suffix_are_folders_and_pngs_are_figures() -> None:
    assert Output("models/classifiers/a").is_folder
    assert not Output("data/raw/a/manifest.csv").is_folder
    assert Output("results/a/roc.png").is_figure
    assert not Output("results/a/roc.csv").is_figure


def test_rules_and_figures_are_called_as_dvc_yaml_calls_them(project: Make, tiny: dict[str, Any]) -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    rules = {rule.name: rule for rule in Dag(str(project(tiny))).rules}
    for rule in rules.values():
        assert rule.heading == stages[rule.category].get("do", stages[rule.category])["desc"]
    titles = {Path(out.path).name: out.title for out in rules["evaluate_screening@fields"].outputs if out.is_figure}
    assert titles["counts.png"] == "cells of each field"  # of the plot counts.csv
    assert [out.path for out in rules["evaluate@masks"].outputs if out.holds_figures] == [
        "results/classifiers/masks/figures"
    ]
    titles = {Path(out.path).name: out.title for out in rules["train_classifier@masks"].outputs if out.is_figure}
    assert titles["curves.png"] == "curves"  # no plot has this name


def test_a_file_inside_an_output_is_the_output(project: Make, tiny: dict[str, Any]) -> None:
    rules = {rule.name: rule for rule in Dag(str(project(tiny))).rules}
    training = rules["train_classifier@masks"].inputs
    assert {"data/organized/tiny", "data/masks/tiny"} < set(training)  # for summary.json and the segmenter in them
    assert not [path for path in training if path.startswith(("data/organized/tiny/", "data/masks/tiny/"))]


@pytest.mark.parametrize(("section", "name"), [("segmenters", "unet"), ("classifiers", "masks")])
def test_pretrained_weights_are_an_input_of_the_training(
    project: Make, tiny: dict[str, Any], section: str, name: str, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.safetensors"
    weights.touch()
    tiny[section][name]["pretrained"] = str(weights)
    users = [rule.name for rule in Dag(str(project(tiny))).rules if str(weights) in rule.inputs]
    assert users == [f"train_{section.removesuffix('s')}@{name}"]


def test_a_network_that_another_starts_from_is_trained_before_it(project: Make, tiny: dict[str, Any]) -> None:
    donor = "models/segmenters/unet"
    tiny["classifiers"]["masks"]["pretrained"] = donor
    rules = {rule.name: rule for rule in Dag(str(project(tiny))).rules}
    assert donor in rules["train_classifier@masks"].inputs
    assert donor in [out.path for out in rules["train_segmenter@unet"].outputs]


def test_a_faulty_parameter_is_named_before_anything_runs(project: Make, tiny: dict[str, Any]) -> None:
    tiny["classifiers"]["masks"]["dataset"] = "tyni"
    with pytest.raises(CytopipeError, match=r"there is no 'tyni'; did you mean: tiny"):
        Dag(str(project(tiny)))


def test_a_users_folder_is_watched_by_its_fingerprint(project: Make, tiny: dict[str, Any], folder: Path) -> None:
    tiny["datasets"]["tiny"]["source"] = {"kind": "archive", "path": str(folder)}
    root = project(tiny)

    def download() -> Any:
        return next(rule for rule in Dag(str(root)).rules if rule.name == "download@tiny")

    before = download()
    assert before.params[str(folder)] == fingerprint(folder)
    assert str(folder) in before.inputs
    (folder / "a/1.png").write_bytes(b"three")
    assert download().params != before.params


def test_a_users_archive_is_a_plain_input(project: Make, tiny: dict[str, Any], tmp_path: Path) -> None:
    archive = tmp_path / "cells.zip"
    archive.touch()
    tiny["datasets"]["tiny"]["source"] = {"kind": "archive", "path": str(archive)}
    rule = Dag(str(project(tiny))).rules[0]
    assert str(archive) in rule.inputs
    assert str(archive) not in rule.params


@pytest.mark.parametrize("edit", ["content", "time", "new", "renamed", "removed"])
def test_an_edit_changes_the_fingerprint(folder: Path, edit: str) -> None:
    before = fingerprint(folder)
    file = folder / "a/1.png"
    match edit:
        case "content":
            file.write_bytes(b"longer")
        case "time":
            os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
        case "new":
            (folder / "3.png").touch()
        case "renamed":
            file.rename(folder / "a/3.png")
        case "removed":
            file.unlink()
    assert fingerprint(folder) != before


def test_the_fingerprint_is_that_of_the_content_not_of_the_place(folder: Path) -> None:
    before = fingerprint(folder)
    (folder / "nothing").symlink_to("nowhere")  # the stage refuses it, with a message
    assert fingerprint(folder.rename(folder.with_name("moved"))) == before


def test_stages_with_several_entries_are_families_for_arrays(project: Make, several: dict[str, Any]) -> None:
    dag = Dag(str(project(several)))
    families = {family.name: family for family in dag.families}
    assert {"train_classifier", "evaluate", "explain", "organize", "train_segmenter"} <= families.keys()
    assert not {"compare", "report"} & families.keys()
    for family in families.values():
        for item, rule in family.rules.items():
            assert [one.path.replace("{item}", item) for one in family.outputs] == [out.path for out in rule.outputs]
            assert rule.meta == family.first.meta
    assert families["organize"].outputs[0].path == "data/organized/{item}"
