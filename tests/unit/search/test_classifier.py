"""A search of a real network: the test array stays closed, and a training that stops at a rung goes on from there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cytopipe.core.params import STRETCH, Classifier, Search
from cytopipe.core.pipeline.inputs import hash_inputs
from cytopipe.data.manifest import Row, write_manifest
from cytopipe.errors import CytopipeError
from cytopipe.search.classifier import ClassifierLearner
from cytopipe.search.learner import Part
from cytopipe.search.outputs import write_search
from cytopipe.search.run import SearchJob, search
from cytopipe.training.workspace import Workspace

SIDE, EPOCHS = 16, 4
RECIPE = {"epochs": EPOCHS, "batch_size": 8, "learning_rate": 0.01, "precision": "fp32"}
_opened: list[str] = []
_listening = False


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _listening and event == "open":
        _opened.append(str(arguments[0]))


sys.addaudithook(_note)  # it cannot be removed, only be deaf


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tensors(tmp_path: Path) -> Path:
    folder, rng = tmp_path / "data/tensors/cells", np.random.default_rng(0)
    folder.mkdir(parents=True)
    rows = []
    for split, count in (("train", 24), ("val", 12), ("test", 12)):
        for number in range(count):
            name, group = f"{split}{number:02}", f"{split}{number // 2}"
            label = ("dark", "light")[number % 2]
            rows.append(Row(name, f"{name}.png", label, number % 2, split, group, SIDE, SIDE, name * 9))
        items = rng.integers(0, 100, (count, SIDE, SIDE, 5), dtype=np.uint8)
        items[1::2] += 100
        np.save(folder / f"{split}.npy", items)
    write_manifest(folder / "manifest.csv", sorted(rows, key=lambda row: row.id))
    return folder


def learner(tensors: Path, scratch: Path) -> ClassifierLearner:
    scratch.mkdir(exist_ok=True)
    base = Classifier.model_validate(
        {"dataset": "cells", "architecture": "plain_cnn", "arguments": {"width": 2}, "channels": "rgb"}
        | {"training": RECIPE}
    )
    place = Workspace(torch.device("cpu"), 0, scratch, scratch, lambda part, measures: None)
    return ClassifierLearner(base, tensors, STRETCH, "accuracy", place)


def make_search(**space: Any) -> Search:
    return Search.model_validate(
        {
            "base": "classifiers.plain",
            "data": "data/tensors/cells",
            "pretrained": "workflow/weights/none",
            "space": space,
            "trials": 3,
            "folds": {"inner": 2},
        }
    )


def test_the_test_array_is_never_opened(tensors: Path, tmp_path: Path) -> None:
    global _listening
    space = {"architecture": {"choice": ["plain_cnn", "timm/test_resnet"]}, "arguments.depth": {"integer": [1, 2]}}
    config = make_search(**space)
    job = SearchJob("topology", config, learner(tensors, tmp_path / "scratch"), tmp_path / "work")
    _opened.clear()
    _listening = True
    try:
        hash_inputs({str(tensors): [str(tensors)]}, {str(tensors)}, "search@topology", closed=("test.npy",))
        found = search(job)
        (tmp_path / "out").mkdir()
        result = write_search(tmp_path / "out", job, found, "0" * 64)
    finally:
        _listening = False
    assert any(name.endswith("train.npy") for name in _opened)
    assert not [name for name in _opened if "test.npy" in name]
    assert result.images == 36 and result.trials == 3 and result.completed >= 1
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"best.yaml", "search.json", "trials.csv", "nested.csv"} <= names


def test_a_training_that_stops_at_rungs_ends_like_an_undisturbed_one(tensors: Path, tmp_path: Path) -> None:
    one = learner(tensors, tmp_path / "scratch")
    part = Part(np.arange(20), np.arange(20, 36))
    whole = one.advance(one.base, part, EPOCHS, tmp_path / "whole")
    for until in (1, 3):
        assert one.advance(one.base, part, until, tmp_path / "parts").answers is None
    again = one.advance(one.base, part, EPOCHS, tmp_path / "parts")
    assert whole.answers is not None and again.answers is not None
    assert again.value == whole.value and np.array_equal(again.answers, whole.answers)


def test_an_argument_that_no_architecture_takes_is_refused_before_anything_is_trained(
    tensors: Path, tmp_path: Path
) -> None:
    config = make_search(**{"arguments.widht": {"choice": [4, 8]}})
    job = SearchJob("topology", config, learner(tensors, tmp_path / "scratch"), tmp_path / "work")
    with pytest.raises(CytopipeError, match="no architecture of this search takes the argument 'widht'") as caught:
        search(job)
    assert "width" in str(caught.value.hint)


def test_values_that_do_not_go_together_fail_their_trial_only(tensors: Path, tmp_path: Path) -> None:
    config = make_search(**{"arguments.kernel_sizes": {"choice": [3, [3, 5]]}})  # three blocks take one, or three
    job = SearchJob("topology", config, learner(tensors, tmp_path / "scratch"), tmp_path / "work")
    trials = search(job).trials
    reasons = [trial.user_attrs.get("why", "") for trial in trials.finished]
    assert all(not reason or "2 kernel_sizes for 3 blocks" in reason for reason in reasons)
    assert "kernel_sizes" in trials.best.user_attrs["found"]
