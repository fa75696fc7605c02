"""Trains a network on one device here, or on several by a process for each (data parallel; `runtime.devices`).

Li et al. 2020, "PyTorch Distributed: Experiences on Accelerating Data Parallel Training", arXiv:2006.15704. The process
that starts the ranks computes nothing meanwhile: it passes on what rank 0 reports, and ends all when one dies, which
NCCL, unlike gloo, would not notice.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cytopipe.core.params import Training
from cytopipe.core.pipeline.devices import VISIBLE
from cytopipe.errors import CytopipeError
from cytopipe.results.model_spec import Precision
from cytopipe.training.data import TrainingLoader
from cytopipe.training.loop import Epoch, fit
from cytopipe.training.parcel import pack
from cytopipe.training.rank_process import Failure, RankJob, run
from cytopipe.training.shared import Shareable
from cytopipe.training.workspace import Workspace

logger = logging.getLogger("cytopipe")
GRACE_S = 1.0  # in which the ranks that noticed a death before this process did say so
END_S = 10.0  # for the end of a rank after its work


def train(
    model: nn.Module, task: Shareable, loader: TrainingLoader, recipe: Training, place: Workspace
) -> tuple[list[Epoch], Precision]:
    """Train as `loop.fit` does, on the devices of the workspace.

    With N of them a step takes N times the batch size, and gives what one process would with that batch size but for
    the last digits; batch normalisation sees the images of one device unless `sync_batch_norm` is set.

    Raises:
        CytopipeError: as for `fit`, or a rank died: the others are ended, and the checkpoint has the finished epochs.
    """
    if place.devices == 1:
        return fit(model, task, loader, recipe, place.device, place.checkpoint, place.tell)
    if place.device.type == "cuda":
        torch.cuda.empty_cache()  # rank 0 computes on the same GPU
    job = RankJob(
        model=model,
        task=task,
        loader=loader,
        recipe=recipe,
        device=place.device,
        checkpoints=place.checkpoint.folder.absolute(),
        sync_batch_norm=place.sync_batch_norm,
        num_threads=torch.get_num_threads(),
        meeting=(place.scratch / "meeting").absolute(),
        home=Path.cwd(),
    )
    job.meeting.unlink(missing_ok=True)
    logger.info(
        "%d processes train together, with %d images in a step",
        place.devices,
        place.devices * recipe.batch_size,
    )
    with _Crew(place.devices, place.device.type == "cuda").working() as crew:
        weights, history, precision = crew.result(pack(job), place)
    model.load_state_dict(torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True))
    model.eval()
    return history, precision


class _Crew:
    """The processes of the ranks.

    Args:
        count: their number.
        on_gpus: each sees one GPU, that of its number among those that this process sees.
    """

    def __init__(self, count: int, on_gpus: bool) -> None:
        self.count, self.on_gpus = count, on_gpus
        self._processes: list[SpawnProcess] = []
        self._connections: list[Connection] = []

    @contextmanager
    def working(self) -> Iterator[_Crew]:
        """Start the processes; none is left in the end, whatever happens."""
        try:
            for rank in range(self.count):
                self._start(rank)
            yield self
            for process in self._processes:
                process.join(END_S)
        finally:
            for process in self._processes:
                if process.is_alive():
                    process.kill()
                process.join()
                process.close()
            for connection in self._connections:
                connection.close()

    def _start(self, rank: int) -> None:
        context = get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=run, args=(rank, self.count, there), name=f"rank-{rank}", daemon=True)
        own = {"TORCH_CPP_LOG_LEVEL": os.environ.get("TORCH_CPP_LOG_LEVEL", "ERROR")}  # DDP says what might be slow
        if self.on_gpus:
            seen = os.environ.get(VISIBLE)
            own[VISIBLE] = seen.split(",")[rank] if seen else str(rank)
        with _environment(own):
            process.start()
        there.close()
        self._processes.append(process)
        self._connections.append(here)

    def result(self, job: bytes, place: Workspace) -> tuple[bytes, list[Epoch], Precision]:
        """Give each rank the training, pass on what rank 0 tells, and return its weights, history and precision.

        Raises:
            CytopipeError: a rank failed or died.
        """
        for connection in self._connections:
            try:
                connection.send_bytes(job)
            except OSError:  # it died already
                raise self._fault() from None
        ends = {process.sentinel: rank for rank, process in enumerate(self._processes)}
        while True:
            ready = wait([self._connections[0], *ends])
            for kind, *content in self._messages(0):
                if kind == "done":
                    weights, history, precision = content
                    return weights, history, precision
                if kind == "failed":
                    raise self._fault(content[0])
                if kind == "epoch":
                    place.tell(content[0])
                else:
                    logger.log(*content)
            for end in [end for end in ready if isinstance(end, int)]:
                if self._code(ends.pop(end)) != 0:
                    raise self._fault()
            if 0 not in ends.values():
                raise self._fault()  # it ended well, but said nothing

    def _messages(self, rank: int) -> Iterator[tuple[Any, ...]]:
        """What a rank has sent."""
        connection = self._connections[rank]
        try:
            while connection.poll():
                yield connection.recv()
        except (EOFError, OSError):
            return

    def _code(self, rank: int) -> int | None:
        return self._processes[rank].exitcode

    def _fault(self, of_first: Failure | None = None) -> CytopipeError:
        """What to say of the rank that failed first: the others then lose it, and fail as well."""
        until = time.monotonic() + GRACE_S
        failures = {} if of_first is None else {0: of_first}
        while time.monotonic() < until:
            for rank in range(self.count):
                for kind, *content in self._messages(rank):
                    if kind == "failed":
                        failures[rank] = content[0]
            killed = [rank for rank in range(self.count) if (self._code(rank) or 0) < 0]
            own = [rank for rank, failure in failures.items() if not failure.lost]
            if killed or own:
                break
            time.sleep(0.02)
        if killed:
            rank, name = killed[0], _signal_name(-(self._code(killed[0]) or 0))
            hint = "was it the system, as memory ran out? The finished epochs are kept: run the command again"
            return CytopipeError(f"rank {rank} of {self.count} was ended by {name}", where="runtime.devices", hint=hint)
        rank = min(own or failures, default=-1)
        if rank < 0:
            gone = next((rank for rank in range(self.count) if self._code(rank) is not None), 0)
            what = f"rank {gone} of {self.count} ended with exit status {self._code(gone)} and said nothing"
            hint = "run the command again: the finished epochs are kept"
            return CytopipeError(what, where="runtime.devices", hint=hint)
        failure = failures[rank]
        return CytopipeError(f"rank {rank} of {self.count}: {failure.what}", where=failure.where, hint=failure.hint)


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Variables of processes that start meanwhile: they are read there before any code runs."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
