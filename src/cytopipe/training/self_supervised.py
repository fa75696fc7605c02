"""Pretraining of a classifier's backbone on its training images without their labels (`self_supervised`)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from cytopipe.core.params import SelfSupervised, Training
from cytopipe.data.tensors import Items
from cytopipe.errors import CytopipeError
from cytopipe.models.determinism import choose_precision, seed_epoch
from cytopipe.models.heads import head_of
from cytopipe.models.transforms import InputTransform
from cytopipe.training.data import Batch, TrainingLoader
from cytopipe.training.feeding import Feeder
from cytopipe.training.loop import Epoch, train_epoch
from cytopipe.training.optim import Schedule, make_optimizer
from cytopipe.training.tally import Tally
from cytopipe.training.views import Projected, TwoViews, pooled_features, simsiam_loss, spread, vicreg_loss
from cytopipe.training.workspace import Workspace

logger = logging.getLogger("cytopipe")
PART = "self_supervised"
FIRST_EPOCH = 2**30  # numbers of these epochs begin here, so that they draw other numbers than those of the training
COLLAPSED = 0.1  # of `spread`


class ViewsTask:
    """The objective of the pretraining, for `train_epoch`; see `views`.

    Args:
        network: projects images.
        transform: transform of stored items to the network's input.
        config: supplies the method.
    """

    def __init__(self, network: Projected, transform: InputTransform, config: SelfSupervised) -> None:
        self.network, self.transform, self.config = network, transform, config

    def step(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss of a batch of two views, N x 2 x S x S x C uint8, and the spread of its projections (scalars)."""
        views = [self.network(self.transform(batch.items[:, view])) for view in range(2)]
        (first, guess), (second, other) = views
        if self.config.method == "simsiam":
            loss = simsiam_loss((first, second), (guess, other))
        else:
            loss = vicreg_loss(first, second)
        return loss, {"spread": spread(first)}


def pretrain(
    model: nn.Module, transform: InputTransform, items: Items, recipe: Training, place: Workspace
) -> list[Epoch]:
    """Train the backbone in place, by `recipe.self_supervised`, and keep its last epoch; the head is left as it is.

    Frozen backbones learn too, and are frozen again. A pretraining that was killed resumes after its last epoch.

    Args:
        model: classifier on the device of the workspace.
        transform: transform of stored items to its input.
        items: N x S x S x 5 uint8, training images only.
        recipe: supplies the seed, the precision and the parameters of the pretraining.
        place: workspace of the training.

    Returns:
        An entry per epoch: epoch, learning_rate, train_loss, train_spread (see `views.spread`); none without
        `self_supervised`.

    Raises:
        CytopipeError: there is one image only, the network has no single head, or a loss was not finite.
    """
    config = recipe.self_supervised
    if config is None:
        return []
    if len(items) < 2:
        raise CytopipeError(
            "there is one training image, and self_supervised compares several", where="training.self_supervised"
        )
    inner, own = _own_recipe(config, recipe), place.of(PART)
    with _trainable_backbone(model):
        history = _run(model, transform, items, config, inner, own)
    if history and history[-1]["train_spread"] < COLLAPSED:
        logger.warning(
            "self_supervised: all images have nearly the same features (spread %.3f), so nothing was learnt; lower the "
            "learning rate, or use weaker augmentation",
            history[-1]["train_spread"],
        )
    return history


def _run(
    model: nn.Module,
    transform: InputTransform,
    items: Items,
    config: SelfSupervised,
    recipe: Training,
    place: Workspace,
) -> list[Epoch]:
    seed_epoch(recipe.seed, FIRST_EPOCH - 1)
    model.eval()
    with torch.no_grad():
        features = pooled_features(model, transform(torch.from_numpy(items[:1].copy()))).shape[1]
    network = Projected(model, features, predictor=config.method == "simsiam").to(place.device)
    task, feed = ViewsTask(network, transform, config), Feeder(recipe, place.device)
    views = TwoViews(config.augment, recipe.seed)
    loader = TrainingLoader(items, views, recipe.batch_size, recipe.seed, place.num_workers, 0, transform.needed)
    optimizer = make_optimizer(network.parameters(), recipe)
    schedule, checkpoint, history = Schedule(optimizer, recipe), place.checkpoint, list[Epoch]()
    if (state := checkpoint.load()) is not None:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        history, precision = state["history"], state["precision"]
        for measures in history:
            place.tell(measures)
    else:
        precision = choose_precision(recipe.precision, place.device)
    for epoch in range(len(history), recipe.epochs):
        seed_epoch(recipe.seed, FIRST_EPOCH + epoch)
        rate = optimizer.param_groups[0]["lr"]
        tally = Tally(epoch + 1, place.device)
        trained = train_epoch(network, task, feed(loader.epoch(epoch)), optimizer, recipe, precision, tally)
        schedule.step(trained["loss"])
        measures = {f"train_{name}": value for name, value in trained.items()}
        history.append({"epoch": epoch + 1, "learning_rate": rate, **measures})
        checkpoint.save(
            {
                "network": network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "history": history,
                "precision": precision,
            }
        )
        place.tell(history[-1])
    return history


def _own_recipe(config: SelfSupervised, recipe: Training) -> Training:
    """The pretraining as a training: with its own epochs and optimiser, and the seed and precision of the recipe."""
    return Training(
        epochs=config.epochs,
        batch_size=config.batch_size,
        optimizer=config.optimizer,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        precision=recipe.precision,
        seed=recipe.seed,
    )


@contextmanager
def _trainable_backbone(model: nn.Module) -> Iterator[None]:
    """All weights but the head's are trainable for a while."""
    before = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    model.requires_grad_(True)
    head_of(model)[1].requires_grad_(False)
    try:
        yield
    finally:
        for parameter, trained in before:
            parameter.requires_grad_(trained)
