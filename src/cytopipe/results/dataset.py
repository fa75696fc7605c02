"""summary.json of an organized dataset: its classes, counts and what was changed."""

from __future__ import annotations

from cytopipe.results.contract import Contract, Record


class Torn(Record):
    """What stands on several sides of a published split: groups, and sets of identical images."""

    groups: int
    copies: int


class Size(Record):
    """Of the stored images, pixels."""

    min: int
    median: int | float
    max: int


class Sizes(Record):
    """Width and height."""

    width: Size
    height: Size


class Copies(Record):
    """A set of identical images, with the labels that they have."""

    ids: tuple[str, ...]
    labels: tuple[str, ...]


class Refused(Record):
    """An image that was left out, and why."""

    id: str
    reason: str


class DatasetSummary(Contract):
    """An organized dataset.

    Attributes:
        classes: in the order of their indices, which travels with every model.
        normal: those without disease; empty where the dataset asks no such question.
        masks: number of images with a true mask.
        split: how the splits were made.
        counts: images by split and class.
        groups: by split.
        converted: number of images by kind of conversion.
    """

    dataset: str
    adapter: str
    classes: tuple[str, ...]
    normal: tuple[str, ...]
    excluded_classes: tuple[str, ...]
    images: int
    masks: int
    split: str
    counts: dict[str, dict[str, int]]
    groups: dict[str, int]
    torn: Torn
    size_px: Sizes
    converted: dict[str, int]
    copies: tuple[Copies, ...]
    refused: tuple[Refused, ...]
