from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cytopipe import paths
from cytopipe.params import SPLITS

RAW, ORGANIZED, MASKS, TENSORS = paths.Raw("x"), paths.Organized("x"), paths.Masks("x"), paths.Tensors("x")
SEGMENTER, CLASSIFIER, EXPLAINED = paths.segmenter("x"), paths.classifier("x"), paths.Explained("x")
SCREENED = paths.Screened("x")

# What a stage writes: files and folders that it declares, and folders of which it declares the files.
WHOLE = {
    "download": [RAW.files, RAW.manifest],
    "organize": [ORGANIZED.folder / name for name in (*SPLITS, "masks", "summary.json", "manifest.csv")],
    "train_segmenter": [SEGMENTER.model, SEGMENTER.predictions, SEGMENTER.details, SEGMENTER.metrics],
    "generate_masks": [MASKS.predicted, MASKS.manifest, MASKS.segmenter],
    "build_tensors": [*map(TENSORS.array, SPLITS), TENSORS.manifest],
    "audit": [paths.Audit("x").findings, paths.Audit("x").figures],
    "train_classifier": [CLASSIFIER.model],
    "evaluate": [CLASSIFIER.predictions, CLASSIFIER.details, CLASSIFIER.metrics],
    "explain": [EXPLAINED.summary, EXPLAINED.panels],
    "evaluate_screening": [
        *(SCREENED.metrics, SCREENED.details, SCREENED.detections, SCREENED.fields, SCREENED.figures)
    ],
    "compare": [paths.LEADERBOARD_JSON, paths.LEADERBOARD_MD, paths.SCREENINGS],
    "report": [paths.REPORT, paths.CARDS],
}
FOLDERS = {
    "train_segmenter": (SEGMENTER.training, SEGMENTER.plots),
    "train_classifier": (CLASSIFIER.training,),
    "evaluate": (CLASSIFIER.plots,),
    "explain": (EXPLAINED.plots,),
    "evaluate_screening": (SCREENED.plots,),
}


def declared(root: Path) -> dict[str, list[Path]]:
    """Every output of dvc.yaml by stage, for an item called x."""
    found = {}
    for name, stage in yaml.safe_load((root / "dvc.yaml").read_text())["stages"].items():
        body = stage.get("do", stage)
        entries = [entry for kind in ("outs", "metrics", "plots") for entry in body.get(kind, ())]
        names = [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]
        found[name] = [Path(name.replace("${key}", "x")) for name in names]
    return found


def test_the_dag_names_every_stage(root: Path) -> None:
    assert set(declared(root)) == set(WHOLE)


@pytest.mark.parametrize("stage", WHOLE)
def test_stages_write_what_the_dag_names(stage: str, root: Path) -> None:
    outputs = declared(root)[stage]
    folders = FOLDERS.get(stage, ())
    parts = [path for path in outputs if path.parent in folders]
    assert {path.parent for path in parts} == set(folders)
    assert sorted(set(outputs) - set(parts)) == sorted(WHOLE[stage])


def test_organized_paths_lie_in_one_folder() -> None:
    assert {ORGANIZED.masks, ORGANIZED.summary, ORGANIZED.manifest} < set(WHOLE["organize"])


def test_paths_are_relative_and_those_of_two_datasets_differ() -> None:
    for kind in (paths.Raw, paths.Organized, paths.Masks, paths.Tensors):
        assert not kind("a").folder.is_absolute()
        assert kind("a").manifest != kind("b").manifest
        assert kind("a").manifest.is_relative_to(kind("a").folder)


def test_segmenters_and_classifiers_of_one_name_do_not_meet() -> None:
    for name in ("model", "results", "training", "metrics", "details", "predictions", "plots"):
        assert getattr(SEGMENTER, name) != getattr(CLASSIFIER, name)


def test_state_is_no_output() -> None:
    for path in (paths.LOCKS, paths.DOWNLOADS, paths.CHECKPOINTS):
        assert path.is_relative_to(paths.STATE)
