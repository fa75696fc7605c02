"""What the stages that compute with torch share: the device, determinism, and the workspace of a training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from cytopipe.params import Runtime
from cytopipe.stage import Stage
from cytopipe.training.determinism import choose_device, make_deterministic
from cytopipe.training.workspace import Workspace


def prepare(runtime: Runtime) -> torch.device:
    """Fix what determines torch's results and return the device to compute on."""
    make_deterministic(runtime.num_threads)
    return choose_device(runtime.device)


@contextmanager
def workspace(stage: Stage) -> Iterator[Workspace]:
    """The workspace of a stage's trainings; its scratch folder lasts as long as the context."""
    runtime = stage.params.runtime
    device = prepare(runtime)
    with stage.scratch() as scratch:
        yield Workspace(device, runtime.num_workers, scratch, stage.checkpoints, stage.on_epoch)
