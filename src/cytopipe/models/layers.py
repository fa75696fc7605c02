"""Blocks shared by several architectures, each with its paper, and checks of the image size.

All blocks take and return float tensors N x C x H x W. Pooling uses `mean`, `amax` and matrix products, whose gradients
are deterministic on CUDA, unlike those of the adaptive pooling modules.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cytopipe.errors import CytopipeError


class SqueezeExcitation(nn.Module):
    """Squeeze-and-excitation: scales each channel by a gate that is computed from the means of all channels.

    Hu et al. 2018, "Squeeze-and-Excitation Networks", arXiv:1709.01507.

    Args:
        channels: C.
        reduction: the hidden layer has max(C // reduction, 1) units.
        bias: whether the two linear layers have biases.
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
        """Rescale each channel of N x C x H x W features."""
        gate: Tensor = self.gate(x.mean((2, 3)))
        return x * gate[:, :, None, None]


class CBAM(nn.Module):
    """Convolutional block attention module: a gate for each channel, then a gate for each position.

    Woo et al. 2018, "CBAM: Convolutional Block Attention Module", arXiv:1807.06521. The average and the
    maximum share the multi-layer perceptron of the channel gate, whose layers all have biases.

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
        """Gate N x C x H x W features by channel, then by position."""
        channel = torch.sigmoid(self.mlp(x.mean((2, 3))) + self.mlp(x.amax((2, 3))))
        x = x * channel[:, :, None, None]
        pooled = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.spatial(pooled))


class AttentionGate(nn.Module):
    """Additive attention gate: weights the positions of a skip connection by their relevance to the decoder.

    Oktay et al. 2018, "Attention U-Net: Learning Where to Look for the Pancreas", arXiv:1804.03999, but
    with the gating signal at the resolution of the skip connection and without batch normalisation.

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
        """Multiply skip features N x C x H x W by a gate N x 1 x H x W; `gating` has the same H and W."""
        return skip * torch.sigmoid(self.psi(torch.relu(self.gating(gating) + self.skip(skip))))


def adaptive_mean(x: Tensor, side: int) -> Tensor:
    """Adaptive average pooling, N x C x H x W -> N x C x side x side, as `nn.AdaptiveAvgPool2d(side)`."""
    rows, columns = (_windows(size, side).to(x) for size in x.shape[-2:])
    return rows @ x @ columns.T


def _windows(size: int, side: int) -> Tensor:
    """Weights, side x size, of each of `size` positions in the mean of each of `side` windows."""
    window, position = torch.arange(side)[:, None], torch.arange(size)
    inside = (position >= window * size // side) & (position < -(-(window + 1) * size // side))
    return inside / inside.sum(1, keepdim=True)


def glorot(module: nn.Module) -> None:
    """Initialise a convolution or linear layer as Keras does (Glorot uniform, zero bias); for `nn.Module.apply`.

    Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".
    """
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def he(module: nn.Module) -> None:
    """Initialise a convolution or linear layer before a ReLU (He normal, zero bias); for `nn.Module.apply`.

    He et al. 2015, "Delving Deep into Rectifiers", arXiv:1502.01852. Without it, the signal of a deep network that has
    no normalisation layers shrinks at every layer, and many epochs pass before it learns.
    """
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def require_side(images: Tensor, side: int, network: str) -> None:
    """Raise CytopipeError unless images N x C x H x W have H = W = side, as a network with flattened maps needs."""
    height, width = images.shape[-2:]
    if (height, width) != (side, side):
        raise CytopipeError(
            f"an image of {height} x {width} px does not fit a network built for {side} x {side} px",
            where=network,
            hint=f"set the classifier's input_size: {side}, or its arguments: {{input_size: {height}}}",
        )


def require_at_least(images: Tensor, side: int, network: str) -> None:
    """Raise CytopipeError if a side of the images N x C x H x W is below `side` px, so that pooling leaves nothing."""
    height, width = images.shape[-2:]
    if min(height, width) < side:
        raise CytopipeError(
            f"an image of {height} x {width} px is too small: each side needs {side} px",
            where=network,
            hint=f"set the classifier's input_size to {side} or more",
        )
