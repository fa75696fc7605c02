"""The surroundings of a training: device, loader threads, folders and progress reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from cytopipe.core.io.workers import worker_count
from cytopipe.core.params import Cpu, Runtime
from cytopipe.core.pipeline.stage import Stage
from cytopipe.models.determinism import prepare
from cytopipe.training.checkpoint import Checkpoint
from cytopipe.training.loop import Epoch


@dataclass(frozen=True)
class Workspace:
    """Surroundings of one or several trainings.

    Attributes:
        device: device to train on.
        num_workers: number of loader threads.
        scratch: empty folder for memory-mapped arrays.
        checkpoints: folder that survives a crash.
        on_epoch: called with the part and the measures of every epoch.
        cpu: instruction set of the stage, which the model records.
        part: which of several trainings this is, such as "folds/0"; "" for the main one.
        devices: processes that train a network together, with a device each.
        sync_batch_norm: of several: normalise by the images of all.
    """

    device: torch.device
    num_workers: int
    scratch: Path
    checkpoints: Path
    on_epoch: Callable[[str, Epoch], None]
    cpu: Cpu = "native"
    part: str = ""
    devices: int = 1
    sync_batch_norm: bool = False

    @classmethod
    @contextmanager
    def of_stage(cls, stage: Stage, shared: bool = False) -> Iterator[Workspace]:
        """The workspace of a stage's trainings; its scratch folder lasts as long as the context.

        Args:
            stage: the stage.
            shared: each of its trainings takes all devices of `runtime.devices`; else one.
        """
        runtime = stage.params.runtime
        device, devices = prepare(runtime), stage.params.runtime.devices if shared else 1
        with stage.scratch() as scratch:
            place = cls(
                device, _loader_threads(runtime, device), scratch, stage.checkpoints, stage.on_epoch, runtime.cpu
            )
            threads = place.num_workers and max(1, place.num_workers // devices)
            yield replace(place, num_workers=threads, devices=devices, sync_batch_norm=runtime.sync_batch_norm)

    @classmethod
    def of_runtime(cls, runtime: Runtime, scratch: Path, checkpoints: Path) -> Workspace:
        """A workspace outside of a stage, in two existing folders; epochs are reported to nobody."""
        device = prepare(runtime)
        threads = _loader_threads(runtime, device)
        return cls(device, threads, scratch, checkpoints, lambda part, measures: None, runtime.cpu)

    def of(self, part: str) -> Workspace:
        """The workspace of one of several trainings, with folders of its own."""
        folder = part or "main"
        scratch = self.scratch / folder
        scratch.mkdir(parents=True)
        name = f"{self.part}/{part}".strip("/")
        return replace(self, part=name, scratch=scratch, checkpoints=self.checkpoints / folder)

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint of this training."""
        return Checkpoint(self.checkpoints)

    @property
    def several(self) -> dict[str, int]:
        """What a specification says of the devices: nothing of a single one."""
        return {"devices": self.devices} if self.devices > 1 else {}

    def tell(self, measures: Epoch) -> None:
        """Report an epoch of this part."""
        self.on_epoch(self.part, measures)


def _loader_threads(runtime: Runtime, device: torch.device) -> int:
    """Threads that load batches: on a CPU one, because the network needs the cores; a GPU may need many."""
    if runtime.num_workers == "auto" and device.type == "cpu":
        return 1
    return worker_count(runtime.num_workers)
