"""The workspace of a stage that trains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cytopipe.pipeline.stage import Stage
from cytopipe.training.determinism import prepare
from cytopipe.training.workspace import Workspace


@contextmanager
def workspace(stage: Stage) -> Iterator[Workspace]:
    """The workspace of a stage's trainings; its scratch folder lasts as long as the context."""
    runtime = stage.params.runtime
    device = prepare(runtime)
    with stage.scratch() as scratch:
        yield Workspace(device, runtime.num_workers, scratch, stage.checkpoints, stage.on_epoch)
