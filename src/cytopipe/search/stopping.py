"""Stop a training after an epoch, so that a later call goes on from its checkpoint as if it had never stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from cytopipe.training.trained import Trained
from cytopipe.training.workspace import Workspace


class _ReachedError(Exception):
    """The epoch after which to stop; its checkpoint is written."""


def until_epoch(
    place: Workspace, until: int, epochs: int, train: Callable[[Workspace], Trained]
) -> tuple[Trained | None, list[Mapping[str, float]]]:
    """Train up to an epoch.

    The whole recipe stays what it is, with the schedule of all its epochs; only the loop is left early.

    Args:
        place: the training's workspace; its checkpoints must stay for the next call.
        until: epoch after which to stop.
        epochs: all epochs of the recipe.
        train: trains in a workspace.

    Returns:
        The finished network, None if it is not finished, and the measures of the epochs so far.

    Raises:
        CytopipeError: a loss is not finite, or the parameters do not fit the images.
    """
    history: list[Mapping[str, float]] = []

    def on_epoch(part: str, measures: Mapping[str, float]) -> None:
        history.append(measures)
        if until < epochs and len(history) >= until:
            raise _ReachedError

    try:
        return train(replace(place, on_epoch=on_epoch)), history
    except _ReachedError:
        return None, history


def best_of(history: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """The measures of the best epoch so far: the last one that was better than all before."""
    return next((epoch for epoch in reversed(history) if epoch.get("best", 1.0)), history[-1])
