from __future__ import annotations

import gc
import threading
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from cytopipe.core.params import Augmentation
from cytopipe.data.augment import Augmenter
from cytopipe.data.tensors import Items
from cytopipe.models.transforms import batches
from cytopipe.training.data import Batch, TrainingLoader, class_weights

STRONG = Augmentation(flips=True, rotation=30, zoom=0.1, brightness=0.3, hue=0.1, blur=0.5, noise=0.1)


def numbered(count: int, size: int = 16) -> np.ndarray:
    """Random items, N x S x S x 5 uint8, whose first value is their index."""
    items = np.random.default_rng(0).integers(0, 256, (count, size, size, 5), dtype=np.uint8)
    items[:, 0, 0, 0] = np.arange(count)
    return items


def loader(
    count: int,
    batch_size: int,
    *,
    seed: int = 0,
    workers: int = 0,
    steps: int = 0,
    augmentation: Augmentation | None = None,
) -> TrainingLoader:
    augmenter = Augmenter(augmentation or Augmentation(), seed)
    return TrainingLoader(numbered(count), augmenter, batch_size, seed, workers, steps)


def order(batches: Iterable[Batch]) -> list[int]:
    return [int(index) for batch in batches for index in batch.indices]


def test_an_epoch_is_a_permutation_and_items_carry_their_indices() -> None:
    for batch in loader(10, 4).epoch(0):
        assert batch.items[:, 0, 0, 0].tolist() == batch.indices.tolist()
    assert sorted(order(loader(10, 4).epoch(0))) == list(range(10))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    one = loader(20, 4)
    first, second = order(one.epoch(0)), order(one.epoch(1))
    assert first != second
    assert order(one.epoch(0)) == first  # after another epoch
    assert order(loader(20, 4).epoch(1)) == second  # without the epoch before
    assert order(loader(20, 4, seed=1).epoch(0)) != first


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [(8, 4, [4, 4]), (10, 4, [4, 4, 2]), (9, 4, [4, 4]), (3, 4, [3]), (1, 4, [1]), (3, 1, [1, 1, 1]), (1, 1, [1])],
)
def test_a_single_last_image_is_dropped_unless_it_is_the_only_one_or_the_batch_size_is_one(
    count: int, batch_size: int, sizes: list[int]
) -> None:
    one = loader(count, batch_size)
    assert [len(batch.indices) for batch in one.epoch(0)] == sizes
    assert len(one) == len(sizes)


def test_batches_hold_their_epoch_and_step() -> None:
    one = loader(10, 4)
    assert [(batch.epoch, batch.step) for batch in one.epoch(3)] == [(3, 0), (3, 1), (3, 2)]


@pytest.mark.parametrize(("steps", "epochs"), [(1, 6), (2, 3), (4, 3), (7, 2)])
def test_with_a_number_of_steps_passes_continue_across_epochs(steps: int, epochs: int) -> None:
    passes = [batch.indices.tolist() for epoch in range(8) for batch in loader(6, 2).epoch(epoch)]
    counted = loader(6, 2, steps=steps)
    found = [[batch.indices.tolist() for batch in counted.epoch(epoch)] for epoch in range(epochs)]
    assert [len(epoch) for epoch in found] == [steps] * epochs == [len(counted)] * epochs
    assert [indices for epoch in found for indices in epoch] == passes[: steps * epochs]


def test_an_image_that_comes_twice_in_an_epoch_is_augmented_anew() -> None:
    one = loader(2, 2, steps=2, augmentation=STRONG)
    first, second = ({int(i): item for item, i in zip(b.items, b.indices, strict=True)} for b in one.epoch(0))
    assert all(not torch.equal(first[index], second[index]) for index in (0, 1))


def test_the_image_that_is_dropped_changes_with_the_epoch() -> None:
    one = loader(9, 4)
    assert len({min(set(range(9)) - set(order(one.epoch(epoch)))) for epoch in range(8)}) > 1


@pytest.mark.parametrize("workers", [1, 2])
def test_loader_threads_do_not_change_the_batches(workers: int) -> None:
    here = loader(10, 4, augmentation=STRONG)
    there = loader(10, 4, augmentation=STRONG, workers=workers)
    for epoch in range(2):
        for one, other in zip(here.epoch(epoch), there.epoch(epoch), strict=True):
            assert torch.equal(one.indices, other.indices)
            assert torch.equal(one.items, other.items)
            assert one[2:] == other[2:]


def test_an_abandoned_epoch_does_not_affect_the_next_and_its_threads_end() -> None:
    one = loader(20, 2, workers=2)
    begun = one.epoch(0)
    next(begun)
    assert order(one.epoch(3)) == order(loader(20, 2).epoch(3))
    assert any(thread.name.startswith("loader") for thread in threading.enumerate())
    del begun
    gc.collect()
    assert not any(thread.name.startswith("loader") for thread in threading.enumerate())


def test_batches_are_loaded_ahead_but_only_a_few() -> None:
    loaded: list[int] = []

    class Watched(Augmenter):
        def __call__(
            self, items: Items, epoch: int, indices: Sequence[int] | np.ndarray, channels: int | None = None
        ) -> np.ndarray:
            loaded.extend(indices)
            return super().__call__(items, epoch, indices, channels)

    batches = TrainingLoader(numbered(40), Watched(Augmentation(), 0), 2, 0, num_workers=1).epoch(0)
    next(batches)
    next(batches)
    assert len(loaded) <= 2 * 4
    assert len(list(batches)) == 18


@pytest.mark.parametrize("augmentation", [Augmentation(), STRONG])
@pytest.mark.parametrize("channels", [3, 4, 5])
def test_channels_that_are_not_needed_are_left_out(augmentation: Augmentation, channels: int) -> None:
    array, change = numbered(10), Augmenter(augmentation, 0)
    whole = TrainingLoader(array, change, 4, 0, 0).epoch(1)
    part = TrainingLoader(array, change, 4, 0, 0, channels=channels).epoch(1)
    for one, other in zip(whole, part, strict=True):
        assert other.items.shape[-1] == channels
        assert torch.equal(one.items[..., :3], other.items[..., :3])
        # OpenCV rounds the places of one mask and of two apart, where they lie midway between pixels.
        assert (one.items[..., 3:channels] != other.items[..., 3:]).sum() <= 0.01 * other.items[..., 3:].numel()


def test_an_error_in_a_thread_reaches_the_training() -> None:
    class Broken(Augmenter):
        def __call__(
            self, items: Items, epoch: int, indices: Sequence[int] | np.ndarray, channels: int | None = None
        ) -> np.ndarray:
            raise OSError("the file is gone")

    with pytest.raises(OSError, match="the file is gone"):
        list(TrainingLoader(numbered(8), Broken(Augmentation(), 0), 2, 0, num_workers=2).epoch(0))


def test_the_global_generator_is_not_advanced() -> None:
    torch.manual_seed(0)
    expected = torch.get_rng_state()
    list(DataLoader(numbered(2), batch_size=None))  # type: ignore[arg-type]  # an array is a dataset
    assert not torch.equal(torch.get_rng_state(), expected)  # torch's own loader draws from it
    torch.set_rng_state(expected)
    list(loader(4, 2).epoch(0))
    assert torch.equal(torch.get_rng_state(), expected)


def test_batches_come_in_order_and_whole() -> None:
    items = numbered(7)
    found = list(batches(items, 3))
    assert [rows for rows, _ in found] == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert np.array_equal(torch.cat([part for _, part in found]).numpy(), items)


def test_class_weights_are_inverse_to_counts_with_mean_one_over_images() -> None:
    labels = [0, 0, 0, 1]
    weights = class_weights(labels, 2)
    assert weights.tolist() == pytest.approx([4 / (2 * 3), 4 / (2 * 1)])
    assert float(weights[labels].mean()) == pytest.approx(1)
    assert class_weights([0, 1, 1, 0], 2).tolist() == [1, 1]
