"""The parts of the ranks make the batches of one process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cytopipe.core.params import Augmentation
from cytopipe.data.augment import Augmenter
from cytopipe.training.checkpoint import Checkpoint
from cytopipe.training.data import Batch, TrainingLoader
from cytopipe.training.ranks import Ranks
from cytopipe.training.shared import ReadCheckpoint, SharedLoader

IMAGES = np.random.default_rng(0).integers(0, 256, (23, 8, 8, 5), dtype=np.uint8)


def loader(batch_size: int, workers: int = 0, steps: int = 0, count: int = len(IMAGES)) -> TrainingLoader:
    augmenter = Augmenter(Augmentation(flips=True, brightness=0.2), 7)
    return TrainingLoader(IMAGES[:count], augmenter, batch_size, 7, workers, steps)


def parts(ranks: int, epoch: int, reach: int = 0, pairs: bool = False, **changes: int) -> list[tuple[Batch, ...]]:
    """The parts of all ranks, by step."""
    loaders = [SharedLoader(loader(2, **changes), Ranks(rank, ranks), reach, pairs) for rank in range(ranks)]
    return list(zip(*(one.epoch(epoch) for one in loaders), strict=True))


@pytest.mark.parametrize(("count", "workers", "steps"), [(2, 0, 0), (3, 2, 0), (4, 0, 3)])
def test_the_parts_of_a_step_are_the_batch_of_one_process(count: int, workers: int, steps: int) -> None:
    for epoch in (0, 1):
        alone = list(loader(2 * count, steps=steps).epoch(epoch))
        shared = parts(count, epoch, workers=workers, steps=steps)
        assert len(shared) == len(alone)
        for step, whole in zip(shared, alone, strict=True):
            assert {one.images for one in step} == {whole.images}
            counted = [one for one in step if one.part and one.part.own]
            assert torch.equal(torch.cat([one.indices for one in counted]), whole.indices)
            assert torch.equal(torch.cat([one.items for one in counted]), whole.items)  # the same random changes


def test_images_to_mix_with_come_before_a_part() -> None:
    (whole,) = loader(8, count=8).epoch(0)
    for step in parts(4, 0, reach=3, count=8):
        for rank, one in enumerate(step):
            assert one.part is not None
            assert (one.part.before, one.part.own) == (3, 2)
            places = (np.arange(2 * rank - 3, 2 * rank + 2)) % 8
            assert one.indices.tolist() == whole.indices[places].tolist()


def test_a_rank_without_an_image_takes_the_step_too() -> None:
    *_, last = parts(4, 0, count=11)  # 8, then 3 images for 4 ranks
    assert [one.part.own for one in last if one.part] == [0, 1, 1, 1]
    assert [len(one.indices) for one in last] == [1, 1, 1, 1]
    assert sum(one.part.share for one in last if one.part) == 1


def test_batch_normalisation_of_each_rank_alone_needs_two_images() -> None:
    assert len(parts(4, 0, pairs=True, count=15)) == 1  # 8 images, and 7 are too few for four ranks
    assert len(parts(4, 0, pairs=True, count=16)) == 2
    assert len(parts(4, 0, pairs=False, count=15)) == 2


def test_ranks_draw_different_random_numbers() -> None:
    drawn = set()
    for rank in range(3):
        torch.manual_seed(5)  # as `fit` does before each epoch
        SharedLoader(loader(2), Ranks(rank, 3), 0, False).epoch(0)
        drawn.add(float(torch.rand(())))
    torch.manual_seed(5)
    assert len(drawn) == 3 and float(torch.rand(())) in drawn  # rank 0 draws what one process does


def test_only_rank_0_saves(tmp_path: Path) -> None:
    ReadCheckpoint(tmp_path).save({"a": 1})
    assert list(tmp_path.iterdir()) == []
    Checkpoint(tmp_path).save({"a": 1})
    assert ReadCheckpoint(tmp_path).load() == {"a": 1}
