"""Sums of an epoch's measures and its first fault, kept on the device, so that no step waits for the host."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from cytopipe.errors import CytopipeError


class Tally:
    """What the steps of one epoch leave behind, in tensors on the device; the host reads it when the epoch is over.

    Args:
        epoch: number of the epoch in messages, from 1.
        device: device of the losses.
    """

    def __init__(self, epoch: int, device: torch.device) -> None:
        self.epoch, self.steps, self.images = epoch, 0, 0
        self._names: tuple[str, ...] = ()
        self._sums = torch.zeros((), dtype=torch.float64, device=device)
        # Number, loss and norm of the gradient of the first step that was not finite; the number is 0 without one.
        self._fault = torch.zeros(3, dtype=torch.float64, device=device)

    def check(self, loss: torch.Tensor, norm: torch.Tensor) -> torch.Tensor:
        """Decide on the device whether the next step may be taken.

        After a loss or a norm of the gradient (scalars) that is not finite, no other step of the epoch is taken.

        Returns:
            Scalar float32, 1 to skip the step and 0 to take it: the `found_inf` of torch's fused optimisers.
        """
        self.steps += 1
        here = torch.stack([torch.full_like(norm, self.steps), loss.detach(), norm]).double()
        faulty = ~here.isfinite().all() & (self._fault[0] == 0)
        self._fault = torch.where(faulty, here, self._fault)
        return (self._fault[0] > 0).float()

    def add(self, measures: Mapping[str, torch.Tensor], images: int) -> None:
        """Add the measures of a batch (scalars, means over its images)."""
        self.images += images
        self._names = tuple(measures)
        self._sums = self._sums + torch.stack([value.detach().double() for value in measures.values()]) * images

    def read(self) -> dict[str, float]:
        """The measures as means over the images; this waits for the device.

        Raises:
            CytopipeError: a loss or a gradient was not finite.
        """
        self.require_finite()
        return dict(zip(self._names, (self._sums / self.images).tolist(), strict=True))

    def require_finite(self) -> None:
        """Raise a CytopipeError if a loss or a gradient was not finite; this waits for the device."""
        step, loss, norm = self._fault.tolist()
        if step:
            what, value = ("norm of the gradient", norm) if math.isfinite(loss) else ("loss", loss)
            raise not_finite(what, value, f"epoch {self.epoch}, step {step:.0f}")


def not_finite(what: str, value: float, where: str) -> CytopipeError:
    """The error of a training that diverged."""
    return CytopipeError(
        f"the {what} is {value} in {where}",
        hint="lower learning_rate, set gradient_clip: 1.0 or precision: fp32",
    )
