"""Batch normalisation by the images of all devices (`runtime.sync_batch_norm`).

On GPUs it is torch's SyncBatchNorm, which knows no other device; on processors the same is computed here (Ioffe and
Szegedy 2015, arXiv:1502.03167, over the union of the batches). Keys of the network's state stay as they are.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from cytopipe.training.ranks import Ranks


def synchronise(model: nn.Module, ranks: Ranks, device: torch.device) -> None:
    """Let every batch normalisation of a network, in place, take mean and variance over all ranks in training mode."""
    if device.type == "cuda":
        from cytopipe.models.without_compiler import timm

        convert: Any = timm.layers.convert_sync_batchnorm  # type: ignore[attr-defined]  # of a submodule
        for name, child in list(model.named_children()):
            # timm's also keeps the activation that some of its layers hold.
            setattr(model, name, convert(child))
        return
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            vars(module)["forward"] = _Synchronised(module, ranks)


def has_batch_norm(model: nn.Module) -> bool:
    """Whether a network has batch normalisation."""
    return any(isinstance(module, _BatchNorm) for module in model.modules())


class _Synchronised:
    """The forward pass of a batch normalisation, with what timm's layers do after it (drop, act)."""

    def __init__(self, module: _BatchNorm, ranks: Ranks) -> None:
        self.module, self.ranks = module, ranks

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        module = self.module
        if not module.training:
            return type(module).forward(module, images)
        axes = [axis for axis in range(images.ndim) if axis != 1]
        shape = [1, -1, *[1] * (images.ndim - 2)]
        values = images.float()
        here = torch.full((1,), float(values.numel() // values.shape[1]))
        count = self.ranks.add(here)
        mean = self.ranks.sum(values.sum(axes)) / count
        centred = values - mean.view(shape)
        variance = self.ranks.sum(centred.square().sum(axes)) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        normed = centred * torch.rsqrt(variance + module.eps).view(shape)
        if module.affine:
            normed = normed * module.weight.view(shape) + module.bias.view(shape)
        normed = normed.to(images.dtype)
        for name in ("drop", "act"):
            normed = getattr(module, name, nn.Identity())(normed)
        return normed

    def _remember(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        """Update the running statistics as torch does."""
        module = self.module
        if module.running_mean is None or module.running_var is None:
            return
        factor = module.momentum
        if module.num_batches_tracked is not None:
            module.num_batches_tracked.add_(1)
            factor = 1 / float(module.num_batches_tracked) if factor is None else factor
        with torch.no_grad():
            module.running_mean.lerp_(mean, factor or 0.0)
            module.running_var.lerp_(variance, factor or 0.0)
