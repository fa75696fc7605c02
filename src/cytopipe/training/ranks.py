"""What the processes of one training, its ranks, exchange; every sum over ranks adds in the order of the ranks.

All-reduce of NCCL and gloo adds in an order that depends on the place in the buffer and on the connections; here
numbers are only moved, and each rank adds its part of them itself. The traffic is that of a ring.
"""  # without postponed annotations: DDP reads those of its hook

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")


class Ranks:
    """The ranks of the default process group, as one of them sees them.

    Args:
        rank: number of this one, from 0.
        count: number of ranks.
    """

    def __init__(self, rank: int, count: int) -> None:
        self.rank, self.count = rank, count
        self._stream: torch.cuda.Stream | None = None

    def stream(self, device: torch.device) -> torch.cuda.Stream:
        """The stream of a GPU on which gradients are exchanged."""
        self._stream = self._stream or torch.cuda.Stream(device)
        return self._stream

    def add(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of all ranks' tensors of one shape, equal on each of them; without a gradient. For few numbers."""
        mine = values.detach().contiguous()
        all_of_them = [torch.empty_like(mine) for _ in range(self.count)]
        dist.all_gather(all_of_them, mine)
        return _in_order(all_of_them)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Like `add`, and differentiable: the gradient is the sum of what all ranks make of the sum."""
        return cast(torch.Tensor, _Sum.apply(values, self))

    def total(self, loss: torch.Tensor, measures: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, Any]]:
        """The sums of the ranks' parts of a loss and of other measures (scalars), in one exchange.

        The gradient of the loss is that of this rank's own part.
        """
        sums = self.add(torch.stack([value.detach().double() for value in (loss, *measures.values())]))
        whole = cast(torch.Tensor, _Total.apply(loss, sums[0].to(loss.dtype)))
        return whole, dict(zip(measures, sums[1:], strict=True))

    def wrap(self, model: nn.Module) -> nn.Module:
        """The network for the forward passes of the training; after a backward pass, gradients are sums over ranks.

        Its first weights are those of rank 0.
        """
        wrapped = DistributedDataParallel(model, broadcast_buffers=False, find_unused_parameters=True)
        wrapped.register_comm_hook(self, _sum_gradients)
        return wrapped

    def broadcast(self, value: T) -> T:
        """What rank 0 has, on every rank."""
        box = [value]
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]

    def added(self, flat: torch.Tensor) -> torch.Tensor:
        """Like `add`, for many numbers in one dimension: each rank adds a part of them, and sends it to the others."""
        padded = F.pad(flat, (0, -len(flat) % self.count))
        mine = torch.empty_like(padded)
        dist.all_to_all_single(mine, padded)
        part = _in_order(mine.chunk(self.count))
        dist.all_gather(list(padded.chunk(self.count)), part)
        return padded[: len(flat)]


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, ranks: Ranks) -> torch.Tensor:
        ctx.ranks = ranks
        return ranks.add(values)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return ctx.ranks.add(gradients[0]), None


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
        return whole.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradients[0], None


def _sum_gradients(
    ranks: Ranks,
    bucket: dist.GradBucket,  # type: ignore[name-defined]  # missing in torch's stubs
) -> torch.futures.Future[torch.Tensor]:
    """DDP's hook for a bucket of gradients. Losses are parts of one loss, so that nothing is divided."""
    flat = bucket.buffer()
    if flat.device.type == "cpu":
        done: torch.futures.Future[torch.Tensor] = torch.futures.Future()
        done.set_result(ranks.added(flat))
        return done
    # On a stream of its own, while the backward pass goes on; DDP waits for the future where it needs the sums.
    done = torch.futures.Future(devices=[flat.device])
    stream = ranks.stream(flat.device)
    stream.wait_stream(torch.cuda.current_stream(flat.device))
    with torch.cuda.stream(stream):
        flat.record_stream(stream)
        done.set_result(ranks.added(flat))
    return done


def _in_order(tensors: Any) -> torch.Tensor:
    first, *others = tensors
    total: torch.Tensor = first.clone()
    for one in others:
        total += one
    return total
