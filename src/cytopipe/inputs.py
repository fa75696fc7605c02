"""From stored uint8 images to what a network sees: channels chosen, scaled, normalised.

Training and inference share it, so that the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from cytopipe.params import Channels

CHANNEL_COUNT: dict[Channels, int] = {"rgb": 3, "rgb+masks": 5, "masked": 3}
CELL = 3  # position of the whole-cell mask in a stored item


class InputTransform:
    """Stored items -> network input.

    Args:
        channels: "rgb" (the image), "rgb+masks" (the image, cell and nucleus masks) or "masked" (the image with
            everything outside the cell set to 0).
        mean, std: of each input channel, on the 0-1 scale.
        device: where the network is.
    """

    def __init__(
        self, channels: Channels, mean: Sequence[float], std: Sequence[float], device: torch.device | str = "cpu"
    ) -> None:
        if not len(mean) == len(std) == CHANNEL_COUNT[channels]:
            raise ValueError(f"{channels} needs {CHANNEL_COUNT[channels]} means and standard deviations")
        self.channels = channels
        self.device = torch.device(device)
        self._scale = (1 / (255 * torch.tensor(std, device=device))).view(1, -1, 1, 1)
        self._shift = (-torch.tensor(mean, device=device) / torch.tensor(std, device=device)).view(1, -1, 1, 1)

    def __call__(self, items: torch.Tensor) -> torch.Tensor:
        """N x H x W x (3 or 5) uint8 -> N x C x H x W float32, channels last in memory."""
        stored = items.to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        if self.channels == "masked":
            chosen = stored[:, :3] * (stored[:, CELL : CELL + 1] > 0)
        else:
            chosen = stored[:, : CHANNEL_COUNT[self.channels]]
        return torch.addcmul(self._shift, chosen.float(), self._scale).contiguous(memory_format=torch.channels_last)


def batches(array: np.ndarray, batch_size: int) -> Iterator[tuple[slice, torch.Tensor]]:
    """Stored items in order, as they are: (rows, N x H x W x C uint8)."""
    for start in range(0, len(array), batch_size):
        rows = slice(start, min(start + batch_size, len(array)))
        yield rows, torch.from_numpy(array[rows].copy())  # a read-only map is no tensor
