from __future__ import annotations

import pytest
import torch
from torch import nn

from cytopipe.errors import CytopipeError
from cytopipe.models.architectures.field_unet import FieldUNet
from cytopipe.models.registry import build


def test_outputs_have_their_sizes() -> None:
    model = build("field_unet", widths=[4, 4, 8, 8], rays=8).eval()
    found = model(torch.zeros(2, 3, 64, 96))
    assert found["cyt"].shape == found["nuc"].shape == (2, 1, 64, 96)
    assert found["maps"].shape == (2, 3, 32, 48) and found["rays"].shape == (2, 8, 16, 24)
    assert (found["rays"] > 0).all()


def test_a_side_that_does_not_fit_is_refused() -> None:
    with pytest.raises(CytopipeError, match="multiples of 16"):
        build("field_unet", widths=[4, 4, 8, 8])(torch.zeros(1, 3, 64, 40))


def test_no_output_depends_on_a_pixel_beyond_its_reach() -> None:
    model = FieldUNet(widths=(4, 4, 4, 4), rays=8).double().eval()
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1e-3)  # nothing cancels
    images = torch.ones(1, 3, 512, 512, dtype=torch.double, requires_grad=True)
    found = model(images)
    for name, stride in (("maps", 2), ("rays", 4)):
        for phase in (0, 3, 7):
            place = 256 // stride + phase
            (gradient,) = torch.autograd.grad(found[name][0, :, place, place].sum(), images, retain_graph=True)
            seen = gradient[0].abs().sum(0).nonzero()
            assert len(seen)
            assert (seen - place * stride).abs().max() <= FieldUNet.reach
