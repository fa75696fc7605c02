"""Types of the fixtures that are functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from typer.testing import Result

if TYPE_CHECKING:
    from cytopipe.audit.audit import AuditedDataset
    from cytopipe.core.params import Reading, Training
    from cytopipe.core.pipeline.tracking.tracker import Tracker
    from cytopipe.slides.job import Settings
    from made_cells import Cell

if TYPE_CHECKING:
    from cytopipe.audit.audit import AuditedDataset
    from cytopipe.external.sides import Side
    from made_cells import Cell


class MakeSide(Protocol):
    """Writes an organized dataset of 8 groups into the working folder; groups are numbered, after a prefix."""

    def __call__(self, name: str, classes: tuple[str, ...], seed: int, prefix: str = "") -> Side: ...


class Cytopipe(Protocol):
    """Runs `cytopipe` with some arguments."""

    def __call__(self, *arguments: object) -> Result: ...


class Git(Protocol):
    """Runs git with some arguments; it must succeed."""

    def __call__(self, *arguments: str) -> None: ...


class SaveImage(Protocol):
    """Writes an image of random colours, which depend on the seed; returns its H x W x 3 uint8 pixels."""

    def __call__(self, path: Path, seed: int = 0, size: tuple[int, int] = (12, 10)) -> np.ndarray: ...


class LayOut(Protocol):
    """Writes the layout of a published dataset, with few images, below a folder; returns the folder."""

    def __call__(self, name: str, raw: Path) -> Path: ...


class SaveClassifier(Protocol):
    """Writes a small untrained classifier with the classes bad and good; returns its folder.

    Unless `channels` is rgb, its folder contains an Otsu segmenter. `changes` override fields of model.json.
    """

    def __call__(self, folder: Path, channels: str = "rgb+masks", seed: int = 3, **changes: object) -> Path: ...


class SaveModel(Protocol):
    """Writes the folder of a small network whose outputs depend on the image; returns the folder.

    Args:
        architecture: name in the registry.
        arguments: arguments of its builder.
        side: side of the stored images, pixels.
        name: name of the folder.
        changes: fields of model.json; with `view` the model is a segmenter. `strength` is the standard deviation of the
            noise that is added to the initial weights.
    """

    def __call__(
        self, architecture: str, arguments: dict[str, Any], side: int, name: str = "model", **changes: Any
    ) -> Path: ...


class Recipe(Protocol):
    """Makes the parameters of a short training; any of them can be changed."""

    def __call__(self, **changes: Any) -> Training: ...


class Track(Protocol):
    """Makes the tracker of a stage in a project whose MLflow database is empty at first."""

    def __call__(
        self, stage: str = "train_classifier", item: str | None = "first", enabled: bool = True
    ) -> Tracker: ...


class LeaveResults(Protocol):
    """Writes the results of a run with 40 test images, 4 in each of 10 groups; returns the path of details.json.

    Args:
        root: root of the project.
        right: for a classifier, the number of images (0 to 4) that it gets right in each group. Both classes are in
            every group.
        dice: for a segmenter, one value per image.
        name: name of the model.
        pixels: one hexadecimal digit, another one for other test images.
        source: source of the dataset in params.yaml.
    """

    def __call__(
        self,
        root: Path,
        right: Sequence[int] | None = None,
        dice: Sequence[float] | None = None,
        name: str = "masks",
        pixels: str = "a",
        source: Mapping[str, Any] | None = None,
    ) -> Path: ...


class DrawField(Protocol):
    """Draws round cells of radius 15 px with nuclei of radius 5 px at these (x, y) on an even background.

    Returns height x width x 3 uint8 grey; with `bright`, the cells are brighter than the background.
    """

    def __call__(
        self, height: int, width: int, middles: Sequence[tuple[int, int]], bright: bool = False
    ) -> np.ndarray: ...


class RunAudit(Protocol):
    """Writes cells as a dataset, audits it at level quick and returns the findings of audit.json by check.

    The figures that the findings name are written, and no others.
    """

    def __call__(self, cells: Sequence[Cell]) -> dict[str, dict[str, Any]]: ...


class WriteDataset(Protocol):
    """Writes cells as the stages before the audit would and loads them."""

    def __call__(self, cells: Sequence[Cell]) -> AuditedDataset: ...


class ScreenSlide(Protocol):
    """Screens a slide into a folder in one process; returns the rows of its table."""

    def __call__(
        self, slide: Path, out: Path, settings: Settings | None = None, reading: Reading | None = None
    ) -> list[dict[str, str]]: ...
