"""A frozen backbone computes each image once, and what comes out is the same as without a memory."""

from __future__ import annotations

import torch
from torch import nn

from cytopipe.training.memory import FeatureMemory


class Net(nn.Module):
    """A backbone that counts the images it sees, and a head."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.seen = 0
        self.body, self.classifier_head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen += len(images)
        logits: torch.Tensor = self.classifier_head(self.body(images).mean(dim=(2, 3)))
        return logits


IMAGES = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_networks_of_one_backbone_share_what_they_computed_and_heads_stay_their_own() -> None:
    memory, first, second = FeatureMemory(), Net().eval(), Net().eval()
    nn.init.constant_(second.classifier_head.weight, 0.5)
    with torch.no_grad():
        wanted = [first(IMAGES), second(IMAGES)]
        for model in (first, second):
            memory.attach(model, model.classifier_head)
        first.seen = second.seen = 0
        torch.testing.assert_close(first(IMAGES[:4]), wanted[0][:4])
        torch.testing.assert_close(second(IMAGES), wanted[1])
    assert (first.seen, second.seen, memory.computed) == (4, 2, 6)


def test_another_backbone_shares_nothing() -> None:
    memory, first, other = FeatureMemory(), Net().eval(), Net(seed=1).eval()
    with torch.no_grad():
        wanted = other(IMAGES)
        for model in (first, other):
            memory.attach(model, model.classifier_head)
        first(IMAGES)
        torch.testing.assert_close(other(IMAGES), wanted)
    assert memory.computed == 12


def test_hooks_on_the_head_see_every_image_once_and_gradients_take_the_networks_own_way() -> None:
    memory, model, seen = FeatureMemory(), Net().eval(), list[int]()
    model.classifier_head.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    memory.attach(model, model.classifier_head)
    with torch.inference_mode():
        model(IMAGES)
        model(IMAGES)
    assert seen == [6, 6] and memory.computed == 6
    model(IMAGES).sum().backward()
    assert model.body.weight.grad is not None and model.seen == 12
    memory.detach()
    assert "forward" not in vars(model) and memory.computed == 6


def test_what_has_no_room_is_computed_again() -> None:
    memory, model = FeatureMemory(most=2 * 4 * 4), Net().eval()
    memory.attach(model, model.classifier_head)
    with torch.no_grad():
        torch.testing.assert_close(model(IMAGES), model(IMAGES))
    assert memory.computed == 6 + 4
