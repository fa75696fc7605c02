from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
import torch

from cytopipe.core.params import Augmentation
from cytopipe.training.mixing import Mixer, cutmix, mixup, mosaic

CLASSES = 4


def plain(count: int = 4, side: int = 8, channels: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch in which image i has the value i everywhere and only class i, and its one-hot targets."""
    images = torch.arange(count).float().view(-1, 1, 1, 1).repeat(1, channels, side, side)
    return images.to(memory_format=torch.channels_last), torch.eye(CLASSES)[torch.arange(count) % CLASSES]


def mixer(strengths: Mapping[str, float], seed: int = 0) -> Mixer:
    return Mixer(Augmentation.model_validate(strengths), seed, CLASSES)


def mixed(one: Mixer, epoch: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    return one(plain()[0], torch.arange(4), epoch, step)


def areas(image: torch.Tensor) -> list[float]:
    """Share of the pixels with each value, which is the share of each class."""
    return [float(((image[0] - value).abs() < 1e-5).float().mean()) for value in range(CLASSES)]


def test_mixup_blends_images_masks_and_labels_alike() -> None:
    images, targets = mixup(*plain(), 0.75)
    assert images[1].unique().tolist() == [0.75 * 1 + 0.25 * 0]
    assert images[0].unique().tolist() == [0.75 * 0 + 0.25 * 3]  # the first is mixed with the last
    assert targets[1].tolist() == [0.25, 0.75, 0, 0] and targets[0].tolist() == [0.75, 0, 0, 0.25]


@pytest.mark.parametrize(
    ("share", "y", "x", "box"),
    [
        (0.75, 0.5, 0.5, (2, 6, 2, 6)),
        (0.75, 0.0, 0.5, (0, 2, 2, 6)),  # cut off at the top
        (0.75, 1.0, 1.0, (6, 8, 6, 8)),
        (0.0, 0.5, 0.5, (0, 8, 0, 8)),
        (1.0, 0.5, 0.5, (4, 4, 4, 4)),
    ],
)
def test_cutmix_moves_a_box_and_labels_follow_its_area(
    share: float, y: float, x: float, box: tuple[int, int, int, int]
) -> None:
    top, bottom, left, right = box
    before, _ = plain()
    images, targets = cutmix(*plain(), share, y, x)
    expected = before.clone()
    expected[:, :, top:bottom, left:right] = before.roll(1, 0)[:, :, top:bottom, left:right]
    assert torch.equal(images, expected)
    assert [areas(image) for image in images] == targets.tolist()


@pytest.mark.parametrize(("y", "x"), [(0.5, 0.5), (0.25, 0.75), (0.01, 0.99)])
def test_a_mosaic_shows_four_images_and_labels_follow_their_areas(y: float, x: float) -> None:
    images, targets = mosaic(*plain(), y, x)
    row, column = max(1, round(8 * y)), min(7, round(8 * x))
    corners = [images[3, 0, 0, 0], images[3, 0, 0, 7], images[3, 0, 7, 0], images[3, 0, 7, 7]]
    assert [float(corner) for corner in corners] == pytest.approx([3, 2, 1, 0])
    assert areas(images[3])[3] == row * column / 64
    assert [areas(image) for image in images] == targets.tolist()


def test_a_mosaic_shrinks_whole_images_and_masks_stay_two_valued() -> None:
    images, targets = plain(1, 8)
    images = torch.rand(1, 5, 8, 8)
    images[:, 3:] = (images[:, 3:] > 0.5).float()
    shrunk, _ = mosaic(images, targets, 0.5, 0.5)  # one image four times
    mean = images[:, :3].unfold(2, 2, 2).unfold(3, 2, 2).mean(dim=(4, 5))
    assert torch.allclose(shrunk[:, :3, :4, :4], mean) and torch.allclose(shrunk[:, :3, 4:, 4:], mean)
    assert set(shrunk[:, 3:].unique().tolist()) == {0, 1}


def test_batches_smaller_than_a_mosaic_are_mixed_with_themselves() -> None:
    for images, targets in (mosaic(*plain(1), 0.5, 0.5), cutmix(*plain(1), 0.5, 0.5, 0.5)):
        assert images.unique().tolist() == [0] and targets.tolist() == [[1, 0, 0, 0]]
    assert mosaic(*plain(2), 0.5, 0.5)[1].tolist() == [[0.5, 0.5, 0, 0]] * 2


STRENGTHS: Iterable[Mapping[str, float]] = (
    {"mixup": 0.4},
    {"cutmix": 1.0},
    {"mosaic": 1.0},
    {"mixup": 1, "cutmix": 1, "mosaic": 0.5},
)


@pytest.mark.parametrize("strengths", STRENGTHS)
def test_draws_depend_on_seed_epoch_and_step_alone(strengths: Mapping[str, float]) -> None:
    first = mixed(mixer(strengths), 2, 3)
    torch.rand(3)
    one = mixer(strengths)
    mixed(one, 0, 0)
    again = mixed(one, 2, 3)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    for other, epoch, step in ((one, 2, 4), (one, 3, 3), (mixer(strengths, seed=1), 2, 3)):
        assert not torch.equal(mixed(other, epoch, step)[0], first[0])


def test_the_global_generator_is_not_advanced() -> None:
    torch.manual_seed(0)
    expected = torch.get_rng_state()
    mixed(mixer({"mixup": 1, "cutmix": 1, "mosaic": 0.5}), 0, 0)
    assert torch.equal(torch.get_rng_state(), expected)


@pytest.mark.parametrize("strengths", STRENGTHS)
def test_shares_sum_to_one_and_memory_stays_channels_last(strengths: Mapping[str, float]) -> None:
    for step in range(10):
        images, targets = mixed(mixer(strengths), 0, step)
        assert torch.allclose(targets.sum(dim=1), torch.ones(4))
        assert images.shape == (4, 5, 8, 8) and images.is_contiguous(memory_format=torch.channels_last)


def test_a_mosaic_comes_with_its_probability_and_the_others_share_the_rest() -> None:
    one = mixer({"mixup": 1, "cutmix": 1, "mosaic": 0.5})
    kinds = []
    for step in range(200):
        shown = areas(mixed(one, 0, step)[0][3])
        kinds.append("mosaic" if shown[0] else "cutmix" if shown[2] or shown[3] else "mixup")
    assert {kind: kinds.count(kind) / 200 for kind in set(kinds)} == pytest.approx(
        {"mosaic": 0.5, "mixup": 0.25, "cutmix": 0.25}, abs=0.08
    )


def test_without_strengths_batches_stay_as_they_are() -> None:
    assert mixer({}).idle and not any(mixer(strengths).idle for strengths in STRENGTHS)
    images, targets = mixed(mixer({}), 0, 0)
    assert torch.equal(images, plain()[0]) and torch.equal(targets, torch.eye(4))
    rare = [mixed(mixer({"mosaic": 0.2}), 0, step)[0] for step in range(50)]
    unmixed = sum(torch.equal(images, plain()[0]) for images in rare)
    assert 30 <= unmixed < 50
