"""Every network of every preset is built at its own size and trained for two steps."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cytopipe.adapters.registry import adapter
from cytopipe.core.params import RANDOM_WEIGHTS, Classifier, Dataset, Segmenter, load_params
from cytopipe.models.heads import train_mode
from cytopipe.models.inference.classify import input_transform
from cytopipe.paths import PRESETS
from cytopipe.training.classification import ClassificationTask, make_classifier
from cytopipe.training.data import Batch, Labelled
from cytopipe.training.losses import make_loss
from cytopipe.training.mixing import Mixer
from cytopipe.training.optim import make_optimizer
from cytopipe.training.segmentation import make_segmenter

FILES = sorted((Path(__file__).parents[2] / PRESETS).glob("*.yaml"))
BATCH = 2
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    yield
    gc.collect()


def networks(section: str) -> list[object]:
    """Test cases for each distinct network; presets that differ only in data or training share theirs."""
    seen: dict[str, object] = {}
    for file in FILES:
        params = load_params(file)
        for name, one in getattr(params, section).items():
            if section == "classifiers":
                dataset = params.datasets[one.dataset]
                parts = (one.architecture, one.arguments, one.channels, one.input_size or dataset.image_size, one.head)
                key = repr((*parts, one.training.loss, classes_of(dataset)))
            else:
                dataset, key = None, repr((one.architecture, one.arguments, one.input_size))
            seen.setdefault(key, pytest.param(one, dataset, id=f"{file.stem}-{name}"))
    return list(seen.values())


def classes_of(dataset: Dataset) -> tuple[str, ...]:
    source = adapter(dataset.adapter, "adapter")
    return tuple(source.class_order(dataset.options, "options")) or ("normal", "abnormal")


@pytest.mark.parametrize(("config", "dataset"), networks("classifiers"))
def test_a_classifier_takes_two_steps(config: Classifier, dataset: Dataset) -> None:
    classes = classes_of(dataset)
    config = config.model_copy(update={"pretrained": RANDOM_WEIGHTS})
    model, spec = make_classifier(config, classes, dataset.image_size, "0" * 64)
    model = model.to(memory_format=torch.channels_last)
    size = dataset.image_size
    items = np.random.default_rng(0).integers(0, 256, (BATCH, size, size, 5), dtype=np.uint8)
    labels = np.arange(BATCH) % len(classes)
    mixer = Mixer(config.training.augment, 0, len(classes))
    transform = input_transform(spec, CPU)
    loss = make_loss(config.training, labels, len(classes), CPU)
    task = ClassificationTask(model, transform, labels, Labelled(items, labels), loss, BATCH, mixer)
    optimizer = make_optimizer(model.parameters(), config.training)
    trained = {name: value.detach().clone() for name, value in model.named_parameters() if value.requires_grad}
    assert trained
    train_mode(model)
    for step in range(2):
        value, measures = task.step(Batch(torch.from_numpy(items), torch.arange(BATCH), 0, step))
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        assert torch.isfinite(value) and 0 <= measures["accuracy"] <= 1
    moved = [name for name, value in model.named_parameters() if name in trained and (value != trained[name]).any()]
    assert moved
    model.eval()
    with torch.inference_mode():
        logits = model(transform(torch.from_numpy(items)))
    assert logits.shape == (BATCH, len(classes)) and torch.isfinite(logits).all()


@pytest.mark.parametrize(("config", "dataset"), networks("segmenters"))
def test_a_segmenter_takes_two_steps(config: Segmenter, dataset: None) -> None:
    model, spec = make_segmenter(config.model_copy(update={"pretrained": RANDOM_WEIGHTS}), "0" * 64)
    images = torch.rand(BATCH, 3, config.input_size, config.input_size)
    if config.training:
        optimizer = make_optimizer(model.parameters(), config.training)
        model.train()
        for _ in range(2):
            parts = [F.binary_cross_entropy_with_logits(part, torch.ones_like(part)) for part in model(images).values()]
            loss = torch.stack(parts).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            assert torch.isfinite(loss)
    model.eval()
    with torch.inference_mode():
        heads = model(images)
    assert set(spec.classes) <= set(heads)  # a network of fields has more: what tells its cells apart
    parts = [heads[name] for name in spec.classes]
    assert all(part.shape == (BATCH, 1, config.input_size, config.input_size) for part in parts)
