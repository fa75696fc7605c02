"""Faults that would spoil a training in silence: another number of threads, a number that is not finite, an orphan."""

from __future__ import annotations

import hashlib
import inspect
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from cytopipe.core.params import Classifier
from cytopipe.data.manifest import Row, write_manifest
from cytopipe.errors import CytopipeError
from cytopipe.training.train_classifier import ClassifierJob, fit_classifier, labelled
from cytopipe.training.workspace import Workspace


def weights_after_training() -> str:
    """SHA-256 of a small network's weights after three steps."""
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.AdaptiveAvgPool2d(1)]
    model = nn.Sequential(*body, nn.Flatten(), nn.Linear(16, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    images, classes = torch.rand(8, 3, 48, 48), torch.arange(8) % 2
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), classes).backward()
        optimizer.step()
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in model.state_dict().values())).hexdigest()


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


STAGE = """
from cytopipe.core.pipeline.processor import fix
fix({number}, "native")
import hashlib, os, torch
from torch import nn
from cytopipe.core.params import Runtime
from cytopipe.models.determinism import prepare
prepare(Runtime(device="cpu", cpu="native", num_threads={number}))
"""


@pytest.mark.parametrize("number", [1, 2])
def test_the_parameters_fix_the_threads_and_the_weights_whatever_the_environment_says(
    threads: None, number: int
) -> None:
    shown = 'print(os.environ["OMP_NUM_THREADS"], torch.get_num_threads(), weights_after_training())'
    script = f"{STAGE.format(number=number)}\n{inspect.getsource(weights_after_training)}\n{shown}"
    torch.set_num_threads(number)
    expected = [str(number), str(number), weights_after_training()]
    for inherited in ("1", "2", "3"):
        environment = {**os.environ, "OMP_NUM_THREADS": inherited, "MKL_NUM_THREADS": inherited}
        command = [sys.executable, "-c", script]
        found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        assert found.split() == expected


def test_a_loss_that_is_not_finite_ends_the_training_with_a_message(tmp_path: Path) -> None:
    rows = []
    for split in ("train", "val"):
        np.save(tmp_path / f"{split}.npy", np.full((8, 32, 32, 5), 200, np.uint8))
        rows += [Row(f"{split}{i}", "", "ab"[i % 2], i % 2, split, str(i), 32, 32, "0" * 64) for i in range(8)]
    write_manifest(tmp_path / "manifest.csv", rows)
    config = Classifier.model_validate(
        {
            "dataset": "d",
            "architecture": "timm/test_resnet",
            "channels": "rgb",
            "normalisation": {"mean": (0.5, 0.5, 0.5), "std": (1e-38, 1e-38, 1e-38)},  # inputs near fp32's largest
            "training": {"epochs": 2, "batch_size": 4, "precision": "fp32"},
        }
    )
    place = Workspace(torch.device("cpu"), 0, tmp_path, tmp_path / "checkpoint", lambda part, epoch: None)
    job = ClassifierJob(config, ("a", "b"), (), tmp_path, "0" * 64, place)
    with pytest.raises(CytopipeError, match=r"the loss is nan in epoch 1, step 1\n.*lower learning_rate"):
        fit_classifier(job, labelled(tmp_path, "train"), labelled(tmp_path, "val"))
    assert not (tmp_path / "checkpoint").exists()


ORPHAN = """
import time
from pathlib import Path
while True:
    with Path("output.txt").open("a") as file:
        file.write("x")
    time.sleep(0.01)
"""


def test_a_child_without_a_watchdog_writes_on_after_its_engine_was_killed(tmp_path: Path) -> None:
    (tmp_path / "stage.py").write_text(ORPHAN)
    call = f"import subprocess; subprocess.call([{sys.executable!r}, 'stage.py'])"
    with subprocess.Popen([sys.executable, "-c", call], cwd=tmp_path) as engine:
        output = tmp_path / "output.txt"
        while not output.exists():
            time.sleep(0.01)
        (stage,) = psutil.Process(engine.pid).children()
        engine.kill()
    try:
        size = output.stat().st_size
        time.sleep(0.3)
        assert stage.is_running() and output.stat().st_size > size
    finally:
        stage.kill()
