"""One of the processes that train a network together; `several` starts and watches them."""

from __future__ import annotations

import io
import logging
import os
import re
import signal
import threading
import warnings
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from cytopipe.core.params import Training
from cytopipe.core.pipeline.failures import report
from cytopipe.models.determinism import make_deterministic
from cytopipe.training.batch_norm import has_batch_norm, synchronise
from cytopipe.training.checkpoint import Checkpoint
from cytopipe.training.data import TrainingLoader
from cytopipe.training.loop import fit
from cytopipe.training.parcel import unpack
from cytopipe.training.ranks import Ranks
from cytopipe.training.shared import ReadCheckpoint, Shareable, SharedLoader, SharedTask

LONGEST = timedelta(days=30)  # of a wait: a rank that dies is noticed by the process that started it
_LOST = re.compile(r"closed by peer|reset by peer|broken pipe|gloo|NCCL", re.IGNORECASE)


@dataclass(frozen=True)
class RankJob:
    """A training that several ranks share.

    Attributes:
        model, task, loader, recipe, device: as for `loop.fit`, of one process.
        checkpoints: absolute folder of the checkpoint, which rank 0 saves.
        sync_batch_norm: normalise by the images of all ranks.
        num_threads: threads of each rank.
        meeting: absolute path at which the ranks find each other; it does not exist yet.
        home: working folder.
    """

    model: nn.Module
    task: Shareable
    loader: TrainingLoader
    recipe: Training
    device: torch.device
    checkpoints: Path
    sync_batch_norm: bool
    num_threads: int
    meeting: Path
    home: Path


@dataclass(frozen=True)
class Failure:
    """Why a rank ended; `lost` if only because another did."""

    what: str
    where: str | None
    hint: str | None
    lost: bool

    @classmethod
    def of(cls, error: Exception, rank: int) -> Failure:
        """From what a rank raised; the traceback of what nobody foresaw is kept, see `failures.report`."""
        if isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and _LOST.search(str(error))):
            return cls(" ".join(str(error).split()), None, None, True)
        known = report(error, f"rank-{rank}")
        where = None if known.where is None else str(known.where)
        return cls(known.what, where, known.hint, False)


def run(rank: int, count: int, parent: Connection) -> None:
    """Train as one rank of several: take a `RankJob` from the parent, and send it ("told", words) and so on.

    Rank 0 sends ("epoch", measures) after each epoch, ("log", level, message), and ("done", weights, history,
    precision); every rank sends ("failed", `Failure`) and exits with 1 if it cannot go on.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent alone answers to Ctrl-C
    threading.Thread(target=_end_with_parent, daemon=True, name="end-with-parent").start()
    warnings.simplefilter("ignore")  # each would come from every rank
    _quiet(parent if rank == 0 else None)
    try:
        job: RankJob = unpack(parent.recv_bytes())
        os.chdir(job.home)
        make_deterministic(job.num_threads)
        _meet(job, rank, count)
        done = _train(job, Ranks(rank, count), parent)
        if rank == 0:
            parent.send(done)
        dist.destroy_process_group()
    except Exception as error:
        parent.send(("failed", Failure.of(error, rank)))
        parent.close()
        os._exit(1)  # without the clean-up of the process group, which waits for the others


def _train(job: RankJob, ranks: Ranks, parent: Connection) -> tuple[Any, ...]:
    first = ranks.rank == 0
    if job.sync_batch_norm:
        synchronise(job.model, ranks, job.device)
    pairs = has_batch_norm(job.model) and not job.sync_batch_norm
    loader = SharedLoader(job.loader, ranks, job.task.reach, pairs)
    task = SharedTask(job.task, ranks)
    checkpoint = (Checkpoint if first else ReadCheckpoint)(job.checkpoints)

    def tell(measures: dict[str, float]) -> None:
        if first:
            parent.send(("epoch", measures))

    history, precision = fit(job.model, task, loader, job.recipe, job.device, checkpoint, tell)
    ranks.broadcast(None)  # nobody leaves while another still listens
    weights = io.BytesIO()
    if first:
        torch.save({name: value.cpu() for name, value in job.model.state_dict().items()}, weights)
    return "done", weights.getvalue(), history, precision


def _meet(job: RankJob, rank: int, count: int) -> None:
    """Join the process group; its connections are those of this machine with itself."""
    for variable in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        if Path("/sys/class/net/lo").exists():
            os.environ.setdefault(variable, "lo")
    backend = "cpu:gloo,cuda:nccl" if job.device.type == "cuda" else "gloo"
    store = f"file://{job.meeting}"
    dist.init_process_group(backend, init_method=store, rank=rank, world_size=count, timeout=LONGEST)


class _Sending(logging.Handler):
    """Sends what rank 0 logs to the parent."""

    def __init__(self, parent: Connection) -> None:
        super().__init__()
        self._parent = parent

    def emit(self, record: logging.LogRecord) -> None:
        self._parent.send(("log", record.levelno, record.getMessage()))


def _quiet(parent: Connection | None) -> None:
    """What cytopipe logs goes to the parent, or nowhere."""
    logger = logging.getLogger("cytopipe")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [logging.NullHandler() if parent is None else _Sending(parent)]


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)
