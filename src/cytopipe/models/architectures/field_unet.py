"""A small U-Net for whole fields: cell, nucleus, its middle, and rays from each nucleus to the outline of its cell.

The rays are those of
    Schmidt et al. 2018, "Cell Detection with Star-convex Polygons", arXiv:1806.03535 (StarDist)
but are measured from the points of a nucleus, so that cells whose cytoplasms overlap keep outlines of their own. The
trunk is that of
    Ronneberger et al. 2015, "U-Net", arXiv:1505.04597
without any pooling over the image: what is said of a point depends on nothing farther away than `reach`, so that a
field can be cut into windows wherever one likes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, cat, nn
from torch.nn import functional as F

from cytopipe.errors import CytopipeError
from cytopipe.models.registry import register

STRIDE = 16  # sides of an image are multiples of it
MAPS = ("cyt", "nuc", "middle")  # at half of the image's resolution
MAP_STRIDE, RAY_STRIDE = 2, 4  # pixels of the image from one point of the maps, and of the rays, to the next
LONGEST = 3.0  # natural logarithm of a ray's largest ratio to `ray`, and of the smallest, negative
Width = Annotated[int, Field(ge=4, le=1024)]
Widths = tuple[Width, Width, Width, Width]


@register(
    "field_unet",
    task="segmentation",
    paper="Schmidt 2018 (StarDist, arXiv:1806.03535), Ronneberger 2015 (U-Net, arXiv:1505.04597)",
    input_size=192,
)
class FieldUNet(nn.Module):
    """U-Net for the cells of whole fields: maps of cell and nucleus, and a star-convex outline from each nucleus.

    Args:
        widths: channels at strides 2, 4, 8 and 16.
        rays: number of rays, evenly spread over the circle, the first to the right, then downwards.
        ray: length of a ray before training, pixels of the network's input.

    Attributes:
        reach: the farthest pixel of the image that an output depends on.
    """

    reach = 96

    def __init__(
        self,
        widths: Widths = (16, 24, 40, 64),
        rays: Annotated[int, Field(ge=8, le=128)] = 32,
        ray: PositiveFloat = 24.0,
    ) -> None:
        super().__init__()
        self.rays, self.ray = rays, ray
        self.stem = nn.Sequential(_block(3, widths[0], 2), _block(widths[0], widths[0]))
        self.down = nn.ModuleList(
            nn.Sequential(_block(before, after, 2), _block(after, after)) for before, after in pairwise(widths)
        )
        self.deepest = _block(widths[3], widths[3])
        self.up = nn.ModuleList(
            _block(deep + skip, skip) for deep, skip in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.maps = nn.Conv2d(widths[0], len(MAPS), 1)
        self.before_rays = _block(widths[1], 2 * widths[1])
        self.to_rays = nn.Conv2d(2 * widths[1], rays, 1)
        nn.init.zeros_(self.to_rays.bias)  # type: ignore[arg-type]  # torch types a bias as optional

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Outputs for images N x 3 x H x W.

        Returns:
            `cyt` and `nuc`: logits of the whole cell and the nucleus, N x 1 x H x W. `maps`: logits of MAPS, N x 3 x
            H/2 x W/2. `rays`: lengths in pixels of the image, N x rays x H/4 x W/4; they have a meaning on nuclei.

        Raises:
            CytopipeError: H or W is not a multiple of 16.
        """
        height, width = images.shape[-2:]
        if height % STRIDE or width % STRIDE:
            raise CytopipeError(
                f"an image of {height} x {width} px does not fit: both sides must be multiples of {STRIDE}",
                where="field_unet",
                hint="pad or resize it first",
            )
        features = [self.stem(images)]
        for down in self.down:
            features.append(down(features[-1]))
        x = self.deepest(features[-1])
        rays = x
        for up, skip in zip(self.up, features[-2::-1], strict=True):
            x = up(cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), skip], dim=1))
            if skip is features[1]:
                rays = self.to_rays(self.before_rays(x))
        maps = self.maps(x)
        full = F.interpolate(maps[:, :2], scale_factor=2.0, mode="bilinear", align_corners=False)
        lengths = self.ray * torch.exp(rays.float().clamp(-LONGEST, LONGEST))
        return {"cyt": full[:, :1], "nuc": full[:, 1:], "maps": maps, "rays": lengths}


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
