"""Attention blocks that several architectures share, each with its paper.

All take and return float tensors N x C x H x W. Pooling uses `mean` and `amax`, whose gradients are
deterministic on CUDA, unlike those of the adaptive pooling modules.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SqueezeExcitation(nn.Module):
    """Squeeze-and-excitation: scales each channel by a gate computed from all channels' means.

    Hu et al. 2018, "Squeeze-and-Excitation Networks", arXiv:1709.01507.

    Args:
        channels: C.
        reduction: the hidden layer has max(C // reduction, 1) units.
        bias: whether its two linear layers have biases.
    """

    def __init__(self, channels: int, reduction: int = 16, bias: bool = False) -> None:
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.gate = nn.Sequential(
            nn.Linear(channels, hidden, bias=bias),
            nn.ReLU(),
            nn.Linear(hidden, channels, bias=bias),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W, recalibrated."""
        return x * self.gate(x.mean((2, 3)))[:, :, None, None]


class CBAM(nn.Module):
    """Convolutional block attention: a gate for each channel, then one for each position.

    Woo et al. 2018, "CBAM: Convolutional Block Attention Module", arXiv:1807.06521. The channel gate's
    multi-layer perceptron is shared by the average and the maximum; all its layers have biases.

    Args:
        channels: C.
        reduction: the hidden layer has max(C // reduction, 1) units.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))
        self.spatial = nn.Conv2d(2, 1, kernel_size=7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W, gated twice."""
        channel = torch.sigmoid(self.mlp(x.mean((2, 3))) + self.mlp(x.amax((2, 3))))
        x = x * channel[:, :, None, None]
        pooled = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.spatial(pooled))


class AttentionGate(nn.Module):
    """Additive attention gate: lets through the positions of a skip connection that the decoder asks for.

    Oktay et al. 2018, "Attention U-Net: Learning Where to Look for the Pancreas", arXiv:1804.03999, with
    the gating signal already at the skip's resolution and without batch normalisation.

    Args:
        gating_channels: channels of the decoder's features.
        skip_channels: channels of the skip connection.
        hidden: channels of the space in which the two are added (F_int of the paper).
    """

    def __init__(self, gating_channels: int, skip_channels: int, hidden: int) -> None:
        super().__init__()
        self.gating = nn.Conv2d(gating_channels, hidden, kernel_size=1)
        self.skip = nn.Conv2d(skip_channels, hidden, kernel_size=1)
        self.psi = nn.Conv2d(hidden, 1, kernel_size=1)

    def forward(self, gating: Tensor, skip: Tensor) -> Tensor:
        """Skip features N x C x H x W times a gate N x 1 x H x W; both inputs have the same H and W."""
        return skip * torch.sigmoid(self.psi(torch.relu(self.gating(gating) + self.skip(skip))))
