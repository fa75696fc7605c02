"""Batches come to the device in order, augmented where the recipe says; on a GPU one step ahead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from cytopipe.core.params import Augmentation
from cytopipe.core.params.training import ON_HOST
from cytopipe.training.augment_tensors import TensorAugmenter
from cytopipe.training.data import Batch, TrainingLoader
from cytopipe.training.feeding import Feeder, host_augmenter
from fixture_types import Recipe

CPU = torch.device("cpu")
ITEMS = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 5), dtype=np.uint8)
FLIPS = {"flips": True}


def batches(count: int = 3) -> list[Batch]:
    return [
        Batch(torch.from_numpy(ITEMS[[step, step + 1]]), torch.tensor([step, step + 1]), 0, step, 4)
        for step in range(count)
    ]


def test_on_a_cpu_a_batch_is_passed_as_it_is(recipe: Recipe) -> None:
    given = batches()
    fed = list(Feeder(recipe(augment=FLIPS), CPU)(iter(given)))
    assert all(one.items is same.items and one.indices is same.indices for one, same in zip(fed, given, strict=True))


def test_the_device_augments_by_seed_pass_and_index(recipe: Recipe) -> None:
    asked = recipe(augment=FLIPS, augment_on="device", seed=3)
    for batch in Feeder(asked, CPU)(iter(batches())):
        expected = TensorAugmenter(Augmentation(flips=True), 3)(
            torch.from_numpy(ITEMS[batch.indices.numpy()]), 4, batch.indices.numpy()
        )
        assert torch.equal(batch.items, expected)


@pytest.mark.parametrize(("place", "idle"), [("host", False), ("device", True)])
def test_images_are_augmented_in_one_place_only(recipe: Recipe, place: str, idle: bool) -> None:
    assert host_augmenter(recipe(augment=FLIPS, augment_on=place)).idle == idle


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_flips_are_the_same_in_both_places_with_any_number_of_workers(recipe: Recipe, workers: int) -> None:
    def epoch(place: str, workers: int) -> list[torch.Tensor]:
        asked = recipe(augment=FLIPS, augment_on=place)
        loader = TrainingLoader(ITEMS, host_augmenter(asked), 4, 0, workers)
        return [batch.items for batch in Feeder(asked, CPU)(loader.epoch(2))]

    assert all(map(torch.equal, epoch("device", workers), epoch("host", 0)))


@pytest.mark.parametrize("change", [{name: 0.1} for name in ON_HOST])
def test_what_only_the_host_can_change_is_refused_on_the_device(recipe: Recipe, change: dict[str, Any]) -> None:
    assert recipe(augment=change).augment_on == "host"
    with pytest.raises(ValidationError, match=f"{next(iter(change))} needs augment_on: host"):
        recipe(augment=change, augment_on="device")


def test_on_a_gpu_the_next_batch_is_copied_before_the_present_one_is_used(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams and copies are stand-ins here, which record their order."""
    told: list[str] = []
    computing = SimpleNamespace(wait_stream=lambda stream: told.append("wait for the copy"))
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: SimpleNamespace())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: computing)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: None)
    feed = Feeder(recipe(), torch.device("cuda"))

    def send(batch: Batch) -> Batch:
        told.append(f"copy {batch.step}")
        return batch

    monkeypatch.setattr(feed, "_send", send)

    def given() -> Iterator[Batch]:
        yield from batches(2)

    for batch in feed(given()):
        told.append(f"use {batch.step}")
    assert told == ["copy 0", "wait for the copy", "copy 1", "use 0", "wait for the copy", "use 1"]
