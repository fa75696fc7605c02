"""No step of a training waits for the host, and none is taken with a number that is not finite."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile

from cytopipe.core.params import Augmentation, Training
from cytopipe.errors import CytopipeError
from cytopipe.models.transforms import InputTransform
from cytopipe.results.model_spec import Precision
from cytopipe.training.classification import ClassificationTask
from cytopipe.training.data import Batch, Labelled
from cytopipe.training.feeding import Feeder
from cytopipe.training.loop import Task, train_epoch
from cytopipe.training.losses import Loss, Name
from cytopipe.training.mixing import Mixer
from cytopipe.training.optim import make_optimizer
from cytopipe.training.segmentation import SegmentationTask
from cytopipe.training.tally import Tally
from fixture_types import Recipe

CPU = torch.device("cpu")
READS = ("aten::item", "aten::_local_scalar_dense", "aten::is_nonzero", "aten::equal")


class Heads(nn.Module):
    """A segmenter of one convolution for each head."""

    def __init__(self) -> None:
        super().__init__()
        self.cyt, self.nuc = nn.Conv2d(3, 1, 1), nn.Conv2d(3, 1, 1)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"cyt": self.cyt(images), "nuc": self.nuc(images)}


def batches(count: int, channels: int = 5) -> Iterator[Batch]:
    rng = np.random.default_rng(0)
    for step in range(count):
        items = rng.integers(0, 256, (4, 16, 16, channels), dtype=np.uint8)
        items[..., 3:] %= 3
        yield Batch(torch.from_numpy(items), torch.arange(4), 0, step, 0)


def classification(loss: Name = "ce", mix: str = "") -> ClassificationTask:
    body = [nn.Conv2d(5, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.1)]
    model = nn.Sequential(*body, nn.Linear(8, 2))
    labels = np.array([0, 1, 0, 1])
    transform = InputTransform("rgb+masks", (0.5,) * 5, (0.5,) * 5)
    mixer = Mixer(Augmentation.model_validate({mix: 1.0}), 0, 2) if mix else None
    validation = Labelled(np.zeros((1, 16, 16, 5), np.uint8), labels[:1])
    return ClassificationTask(
        model, transform, labels, validation, Loss(loss, torch.tensor([1.0, 2.0]), 0.1), 4, mixer=mixer
    )


def segmentation() -> SegmentationTask:
    transform = InputTransform("rgb", (0.5,) * 3, (0.5,) * 3)
    return SegmentationTask(Heads(), transform, np.zeros((1, 16, 16, 4), np.uint8), 4)


TASKS: dict[str, Callable[[], ClassificationTask | SegmentationTask]] = {
    "classification": classification,
    "focal": lambda: classification("focal"),
    "bce": lambda: classification("bce"),
    "mixup": lambda: classification(mix="mixup"),
    "cutmix": lambda: classification(mix="cutmix"),
    "mosaic": lambda: classification(mix="mosaic"),
    "segmentation": segmentation,
}


def reads(task: ClassificationTask | SegmentationTask, recipe: Training, steps: int) -> int:
    """How many times an epoch of so many steps reads a number from a tensor."""
    feed = Feeder(recipe, CPU)
    fed = feed(batches(steps, 4 if isinstance(task, SegmentationTask) else 5))
    optimizer = make_optimizer(task.model.parameters(), recipe)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        train_epoch(task.model, task, fed, optimizer, recipe, "fp32", Tally(1, CPU))
    return sum(event.name in READS and not in_optimizer(event.cpu_parent) for event in profiled.events())


def in_optimizer(event: FunctionEvent | None) -> bool:
    """On a CPU, the fused optimisers themselves read their count of steps; on a GPU their kernels do."""
    return event is not None and ("_fused_" in event.name or in_optimizer(event.cpu_parent))


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_more_steps_read_no_more_numbers_back(recipe: Recipe, name: str, optimizer: str) -> None:
    asked = recipe(optimizer=optimizer, gradient_clip=1, augment_on="device", augment={"flips": True, "hue": 0.1})
    assert reads(TASKS[name](), asked, 4) == reads(TASKS[name](), asked, 1)


class Unread(Tally):
    """A tally that is not read at the end of the epoch."""

    def read(self) -> dict[str, float]:
        return {}


@pytest.mark.parametrize("name", [name for name in TASKS if name != "segmentation"])  # MONAI reads a tensor of axes
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_steps_of_an_epoch_work_without_the_values_of_any_tensor(
    recipe: Recipe, name: str, precision: Precision
) -> None:
    """FakeTensors have shapes and no values, so reading one, in whatever way, is an error."""
    asked = recipe(precision=precision, gradient_clip=1)
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        task = TASKS[name]()
        optimizer = make_optimizer(task.model.parameters(), asked)
        fed = (
            batch._replace(items=fake.from_tensor(batch.items), indices=fake.from_tensor(batch.indices))
            for batch in list(batches(3))
        )
        tally = Unread(1, CPU)
        train_epoch(task.model, task, fed, optimizer, asked, precision, tally)
        assert tally.steps == 3
        with pytest.raises(DataDependentOutputException):
            tally.require_finite()


class Poisoned:
    """A task whose loss is NaN in one step; its first weights of each step are recorded."""

    def __init__(self, task: Task, model: nn.Module, step: int) -> None:
        self.task, self.model, self.poisoned, self.weights = task, model, step, list[torch.Tensor]()

    def step(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        self.weights.append(nn.utils.parameters_to_vector(self.model.parameters()).detach().clone())
        loss, measures = self.task.step(batch)
        return (loss * torch.nan if batch.step == self.poisoned else loss), measures

    def validate(self) -> dict[str, float]:
        return {}

    def rank(self, measures: dict[str, float]) -> tuple[float, ...]:
        return ()


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("clip", [0, 1])
def test_a_nan_in_one_batch_leaves_the_weights_as_they_were_to_the_end_of_the_epoch(
    recipe: Recipe, optimizer: str, clip: float
) -> None:
    asked, inner = recipe(optimizer=optimizer, gradient_clip=clip), classification()
    task = Poisoned(inner, inner.model, 2)
    trained = make_optimizer(inner.model.parameters(), asked)
    with pytest.raises(CytopipeError, match=r"^the loss is nan in epoch 7, step 3\n"):
        train_epoch(inner.model, task, batches(5), trained, asked, "fp32", Tally(7, CPU))
    last = nn.utils.parameters_to_vector(inner.model.parameters())
    assert not torch.equal(task.weights[0], task.weights[1])
    assert not torch.equal(task.weights[1], task.weights[2])
    assert all(torch.equal(weights, last) for weights in task.weights[2:])


def test_the_first_of_several_faults_is_reported_and_measures_are_means_over_images() -> None:
    tally, one, bad = Tally(2, CPU), torch.tensor(1.0), torch.tensor(torch.inf)
    assert [float(tally.check(one, norm)) for norm in (one, bad, one, -bad)] == [0, 1, 1, 1]
    with pytest.raises(CytopipeError, match=r"^the norm of the gradient is inf in epoch 2, step 2\n"):
        tally.read()
    tally = Tally(1, CPU)
    for loss, images in ((1.0, 4), (4.0, 2)):
        tally.check(one, one)
        tally.add({"loss": torch.tensor(loss), "accuracy": torch.tensor(0.5).double()}, images)
    assert tally.read() == {"loss": 2.0, "accuracy": 0.5}
