"""What two ranks compute in the tests of data-parallel training; `compute` runs in a process of its own."""

from __future__ import annotations

from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from cytopipe.training.batch_norm import synchronise
from cytopipe.training.data import Batch, Part
from cytopipe.training.losses import Loss
from cytopipe.training.ranks import Ranks
from cytopipe.training.segmentation import SegmentationTask

CPU = torch.device("cpu")
COUNT = 2
Found = dict[str, Any]


def on_two_ranks(folder: Path) -> list[Found]:
    """What `compute` finds on each of two ranks."""
    context = get_context("spawn")
    pipes, processes = [], []
    for rank in range(COUNT):
        here, there = context.Pipe()
        process = context.Process(target=_answer, args=(rank, str(folder / "meeting"), there), daemon=True)
        process.start()
        there.close()
        pipes.append(here)
        processes.append(process)
    found = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join()
    return found


def _answer(rank: int, meeting: str, pipe: Connection) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=COUNT)
    ranks = Ranks(rank, COUNT)
    found = {"sums": sums(ranks), "norm": normalised(ranks), "segmenter": segmented(ranks)}
    pipe.send(found)
    dist.destroy_process_group()


def sums(ranks: Ranks) -> Found:
    """Sums of what differs between ranks, and the gradient of a sum."""
    own = torch.arange(5.0) * (1 + 9 * ranks.rank)
    leaf = torch.tensor([1.0, 2.0]) + ranks.rank
    leaf.requires_grad_(True)
    (ranks.sum(leaf) ** 2 / ranks.count).sum().backward()
    part = torch.tensor(float(ranks.rank + 1), requires_grad=True)
    whole, measures = ranks.total(part * 2, {"a": torch.tensor(0.25)})
    whole.backward()
    said = ranks.broadcast({"rank": ranks.rank})
    return {
        "added": ranks.added(own).tolist(),
        "few": ranks.add(own[:1] + 1).tolist(),
        "gradient": leaf.grad.tolist() if leaf.grad is not None else None,
        "total": (float(whole.detach()), float(measures["a"]), float(part.grad if part.grad is not None else 0)),
        "said": said,
    }


def network() -> nn.Module:
    """A network with batch normalisation, one of timm's with an activation inside, and a weight that nothing uses."""
    from cytopipe.models.without_compiler import timm

    torch.manual_seed(3)
    with_act: Any = timm.layers.BatchNormAct2d  # type: ignore[attr-defined]  # of a submodule
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), with_act(4))
    model.append(nn.Flatten()).append(nn.LazyLinear(2))
    model(torch.zeros(2, 3, 6, 6))
    model.register_parameter("idle", nn.Parameter(torch.ones(1)))
    return model


def images(count: int = 5) -> torch.Tensor:
    """Images of a step, of uneven parts for two ranks."""
    return torch.from_numpy(np.random.default_rng(1).normal(size=(count, 3, 6, 6)).astype(np.float32))


def state(model: nn.Module) -> Found:
    """Gradients and statistics of a network."""
    gradients = {name: None if one.grad is None else one.grad.numpy() for name, one in model.named_parameters()}
    return {"gradients": gradients, "statistics": {name: one.numpy() for name, one in model.named_buffers()}}


def part_of(ranks: Ranks, count: int) -> tuple[slice, Part]:
    """The images of a step that a rank computes."""
    chosen = slice(ranks.rank * count // ranks.count, (ranks.rank + 1) * count // ranks.count)
    return chosen, Part(0, chosen.stop - chosen.start, count)


def normalised(ranks: Ranks) -> Found:
    """A backward pass of a network with synchronised batch normalisation, by classes with weights."""
    model, every = network(), images()
    synchronise(model, ranks, CPU)
    wrapped = ranks.wrap(model)
    loss, target = Loss("ce", torch.tensor([1.0, 5.0])), torch.tensor([0, 1, 0, 0, 1])
    chosen, _ = part_of(ranks, len(every))
    mass = loss.mass(target[chosen])
    (loss(wrapped(every[chosen]), target[chosen]) * (mass / ranks.add(mass))).backward()
    model.eval()
    with torch.no_grad():
        return {**state(model), "judged": model(every).numpy()}


def windows(count: int = 3) -> torch.Tensor:
    """Windows with palette masks, N x 8 x 8 x 4 uint8; those of the second rank hold other masks than the first's."""
    made = np.random.default_rng(2).integers(0, 256, (count, 8, 8, 4), dtype=np.uint8)
    made[..., 3] = np.arange(count)[:, None, None] % 3
    made[:, :3, :3, 3] = 2
    return torch.from_numpy(made)


def segmenter() -> SegmentationTask:
    """A segmentation task whose network is two convolutions."""
    torch.manual_seed(4)
    return SegmentationTask(_Heads(), _scaled, np.zeros((1, 8, 8, 4), np.uint8), 1)  # type: ignore[arg-type]


class _Heads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cyt, self.nuc = nn.Conv2d(3, 1, 3, padding=1), nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, values: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"cyt": self.cyt(values), "nuc": self.nuc(values)}


def _scaled(items: torch.Tensor) -> torch.Tensor:
    return items[..., :3].permute(0, 3, 1, 2).float() / 255


_scaled.device = CPU  # type: ignore[attr-defined]  # as transforms have


def segmented(ranks: Ranks) -> Found:
    """Loss, Dice and gradients of a step of a segmenter; with one window in the step, rank 0 has none that counts."""
    found: Found = {}
    for count in (3, 1):
        task, every = segmenter(), windows(count)
        task.join(ranks)
        chosen, part = part_of(ranks, count)
        items = every[chosen] if part.own else every[:1]
        loss, measures = ranks.total(*task.step(Batch(items, torch.arange(len(items)), part=part)))
        loss.backward()
        found[str(count)] = {"loss": float(loss.detach()), "dice": float(measures["dice"]), **state(task.model)}
    return found
