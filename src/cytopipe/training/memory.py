"""What a frozen backbone makes of an image, computed once for all folds, refits and measurements of a classifier."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import torch
from torch import nn

from cytopipe.models.heads import backbone_hash

MOST_BYTES = 1 << 29  # of remembered features, 512 MiB; images beyond it are computed each time

Key = tuple[str, bool, bytes]


class FeatureMemory:
    """Inputs of the heads of networks with frozen backbones, by backbone and image.

    A cross-validation of a frozen network shows it the same images in every fold: for its features, for the refit and
    for what is familiar to it. The networks must be those that `fixed_head` accepts, whose logits are the head of its
    inputs. Two networks share what they remember where every weight and statistic before the head is equal.

    Args:
        most: bytes that may be remembered.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.computed = 0  # images that a backbone was shown
        self._known = dict[Key, torch.Tensor]()
        self._room = most
        self._attached = list[nn.Module]()

    def attach(self, model: nn.Module, head: nn.Module) -> None:
        """Let the network, in evaluation mode and without gradients, look images up before it computes them."""
        own: Callable[[torch.Tensor], torch.Tensor] = model.forward
        backbone = f"{model!r} {backbone_hash(model)}"

        def forward(images: torch.Tensor) -> torch.Tensor:
            if model.training or torch.is_grad_enabled():
                return own(images)
            precise = not torch.is_autocast_enabled(images.device.type)
            keys = [(backbone, precise, _digest(image)) for image in images]
            unknown = [place for place, key in enumerate(keys) if key not in self._known]
            found = {key: self._known[key] for key in keys if key in self._known}
            if unknown:
                found |= self._computed(own, head, images[unknown], [keys[place] for place in unknown])
            logits: torch.Tensor = head(torch.stack([found[key] for key in keys]).to(images.device))
            return logits

        model.forward = forward
        self._attached.append(model)

    def detach(self) -> None:
        """Give the networks their own forward pass back; what is remembered stays."""
        while self._attached:
            vars(self._attached.pop()).pop("forward", None)

    def _computed(
        self, own: Callable[[torch.Tensor], torch.Tensor], head: nn.Module, images: torch.Tensor, keys: list[Key]
    ) -> dict[Key, torch.Tensor]:
        # Hooks of others on the head would see these images twice, so that its forward pass is replaced, not called.
        seen = list[torch.Tensor]()

        def keep(inputs: torch.Tensor) -> torch.Tensor:
            seen.append(inputs)
            return inputs

        hooks, head._forward_pre_hooks = head._forward_pre_hooks, type(head._forward_pre_hooks)()
        head.forward = keep
        try:
            own(images)
        finally:
            head._forward_pre_hooks = hooks
            vars(head).pop("forward")
        self.computed += len(images)
        found = {key: row.detach().cpu().clone() for key, row in zip(keys, seen[0], strict=True)}
        for key, row in found.items():
            if (size := row.nbytes) <= self._room:
                self._known[key], self._room = row, self._room - size
        return found


def _digest(image: torch.Tensor) -> bytes:
    values = image.detach().cpu().contiguous().numpy()
    return blake2b(values.tobytes(), digest_size=16).digest()
