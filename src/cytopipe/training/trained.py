"""The result of a training: a network, its specification, and its history as tables and curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from cytopipe.core.io.tables import table_bytes, write_table
from cytopipe.metrics.plotting.figures import curves
from cytopipe.models.familiarity import Familiar
from cytopipe.models.files import FAMILIAR, SELF_SUPERVISED
from cytopipe.results.history import History
from cytopipe.results.model_spec import ModelSpec
from cytopipe.training.loop import Epoch


@dataclass(frozen=True)
class Trained:
    """A network, its specification, and the history of its training, which is empty if it needs no training.

    `validation` are a classifier's probabilities of its validation images, N x classes, from before any refit on them;
    `familiar` is what it knows of its training images; `pretraining` is the history of `self_supervised`.
    """

    model: nn.Module
    spec: ModelSpec
    history: Sequence[Epoch]
    validation: np.ndarray | None = None
    familiar: Familiar | None = None
    pretraining: Sequence[Epoch] = ()

    @property
    def files(self) -> dict[str, bytes]:
        """Files that its model folder needs beside weights and specification, by name."""
        known = {FAMILIAR: self.familiar.to_bytes()} if self.familiar else {}
        return known | ({SELF_SUPERVISED: table_bytes(self.pretraining)} if self.pretraining else {})


def write_history(folder: Path, history: Sequence[Epoch], measure: str) -> None:
    """Write history.csv, loss.csv and <measure>.csv (long form: epoch, split, value, best) and curves.png.

    Args:
        folder: existing folder.
        history: history returned by `fit`; empty if nothing was trained.
        measure: measure to plot beside the loss, such as "accuracy".
    """
    History.of(history).write(folder / "history.csv")
    for name in ("loss", measure):
        rows = [
            {"epoch": epoch["epoch"], "split": split, name: epoch[f"{split}_{name}"], "best": epoch["best"]}
            for split in ("train", "val")
            for epoch in history
        ]
        write_table(folder / f"{name}.csv", rows, ["epoch", "split", name, "best"])
    curves(folder / "curves.png", history, measure)
