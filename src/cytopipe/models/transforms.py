"""From stored uint8 images to network input: select channels, resize, scale, normalise.

Training and inference share this code, so that their inputs cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.nn import functional as F

from cytopipe.core.params import Channels
from cytopipe.data.tensors import Items
from cytopipe.results.model_spec import CHANNEL_COUNT

COLOURS = 3  # number of colour channels of an image; masks follow
CELL = 3  # channel of the whole-cell mask in a stored item
_NEEDED: dict[Channels, int] = {"rgb": 3, "rgb+masks": 5, "masked": CELL + 1}  # leading channels of a stored item


class InputTransform:
    """The transform from stored items to network input.

    Args:
        channels: "rgb" (the image), "rgb+masks" (the image, cell and nucleus masks) or "masked" (the image with
            everything outside the cell set to 0).
        mean, std: mean and standard deviation of each input channel, on the 0-1 scale.
        device: device of the network.
        size: side of the network's input, pixels; None keeps the size of the items.

    Raises:
        ValueError: mean or std does not have one value per input channel.
    """

    def __init__(
        self,
        channels: Channels,
        mean: Sequence[float],
        std: Sequence[float],
        device: torch.device | str = "cpu",
        size: int | None = None,
    ) -> None:
        if not len(mean) == len(std) == CHANNEL_COUNT[channels]:
            raise ValueError(f"{channels} needs {CHANNEL_COUNT[channels]} means and standard deviations")
        self.channels, self.size = channels, size
        self.device = torch.device(device)
        deviation = torch.tensor(std, device=device)
        self._scale = 1 / (255 * deviation)
        self._shift = -torch.tensor(mean, device=device) / deviation

    @property
    def needed(self) -> int:
        """Number of leading channels of a stored item from which the input is made."""
        return _NEEDED[self.channels]

    def __call__(self, items: torch.Tensor) -> torch.Tensor:
        """N x H x W x (`needed` or more) uint8 -> N x C x H x W float32 in channels-last memory format."""
        stored = items.to(self.device, non_blocking=True)
        if self.size is not None and stored.shape[1:3] != (self.size, self.size):
            images = stored[..., : self.needed].permute(0, 3, 1, 2).float()
            stored = resize(images, (self.size, self.size)).permute(0, 2, 3, 1)
        if self.channels == "masked":
            chosen = stored[..., :COLOURS] * (stored[..., CELL : CELL + 1] > 0)
        else:
            chosen = stored[..., : self.needed]
        # Whole rows of pixels at once: over three channels at a time, a processor takes 15 times as long.
        rows = chosen.contiguous().to(torch.float32, copy=True).flatten(2)
        width = chosen.shape[2]
        rows.mul_(self._scale.repeat(width)).add_(self._shift.repeat(width))
        return rows.view(*chosen.shape).permute(0, 3, 1, 2)


def resize(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resize N x C x H x W float images to (height, width): colours bilinearly, masks by nearest neighbour.

    Pixel centres are aligned as in OpenCV; there is no antialiasing when images shrink.
    """
    colours = F.interpolate(images[:, :COLOURS], size, mode="bilinear", align_corners=False, antialias=False)
    if images.shape[1] == COLOURS:
        return colours
    return torch.cat([colours, F.interpolate(images[:, COLOURS:], size, mode="nearest-exact")], dim=1)


def batches(array: Items, batch_size: int) -> Iterator[tuple[slice, torch.Tensor]]:
    """Batches of stored items in order, as (rows, items): items are unchanged, N x H x W x C uint8."""
    for start in range(0, len(array), batch_size):
        rows = slice(start, min(start + batch_size, len(array)))
        yield rows, torch.from_numpy(array[rows].copy())  # torch does not take a read-only memory map
