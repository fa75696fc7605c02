"""What is edited while a stage runs is named if the stage depends on it, and only then."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cytopipe.core.params import load_params
from cytopipe.core.params.found import as_named
from cytopipe.core.pipeline.description import read_description
from cytopipe.core.pipeline.edits import Watch
from cytopipe.errors import CytopipeError

PARAMS, CODE = Path("params.yaml"), Path("src/cytopipe/training/loop.py")


@pytest.fixture
def watch(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Of the stage train_classifier for `masks`, as it begins."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(root / "dvc.yaml", tmp_path)
    shutil.copy(root / "workflow/presets/tiny.yaml", PARAMS)
    (tmp_path / "workflow").symlink_to(root / "workflow")
    CODE.parent.mkdir(parents=True)
    CODE.write_text("as it was")
    values = as_named(load_params(PARAMS).model_dump(mode="json"))
    return Watch(read_description(Path("dvc.yaml")), "train_classifier", "masks", PARAMS, values)


def edit(change: Callable[[dict[str, Any]], object]) -> None:
    values = yaml.safe_load(PARAMS.read_text())
    change(values)
    PARAMS.write_text(yaml.safe_dump(values))


def test_edits_of_what_it_does_not_depend_on_pass(watch: Watch) -> None:
    edit(lambda values: values["classifiers"]["resnet-rgb"]["training"].update(epochs=99))
    edit(lambda values: values["runtime"].update(num_workers=3))
    edit(lambda values: values["datasets"]["tiny"].update(image_size=64))
    watch.refuse_edits()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            lambda values: values["classifiers"]["masks"]["training"].update(epochs=99),
            r"params\.yaml: classifiers.masks",
        ),
        (lambda values: values["runtime"].update(num_threads=2), r"params\.yaml: runtime\.num_threads"),
        (lambda values: CODE.write_text("edited"), "src/cytopipe/training"),
    ],
)
def test_an_edit_of_what_it_depends_on_is_named(watch: Watch, change: Callable[[Any], object], named: str) -> None:
    edit(change)
    with pytest.raises(CytopipeError, match=f"{named}: this was edited while the stage ran.*\n.*run the same command"):
        watch.refuse_edits()


def test_an_edit_that_was_undone_passes(watch: Watch) -> None:
    before = PARAMS.read_text()
    edit(lambda values: values["runtime"].update(num_threads=2))
    PARAMS.write_text(before)
    watch.refuse_edits()
