"""summary.json of an organized dataset: classes, counts, and changes to the images."""

from __future__ import annotations

from typing import Any

from cytopipe.core.params import FULL, Alpha, Reading
from cytopipe.results.contract import Contract, Record


class Torn(Record):
    """Numbers of groups, and of sets of identical images, that are in several splits of a published split."""

    groups: int
    copies: int


class Size(Record):
    """Range and median of one side of the stored images, in pixels."""

    min: int
    median: int | float
    max: int


class Sizes(Record):
    """Widths and heights of the stored images."""

    width: Size
    height: Size


class Copies(Record):
    """A set of byte-identical images with their labels."""

    ids: tuple[str, ...]
    labels: tuple[str, ...]


class Refused(Record):
    """An image that was left out, and the reason."""

    id: str
    reason: str


class Unused(Record):
    """Files that were left out for one reason: their number and the first of them, a path below the source."""

    count: int
    first: str


class Files(Record):
    """Numbers of the source's files that were used, and of all others by the reason why they were not."""

    images: int
    masks: int
    tables: int
    left_out: dict[str, Unused]


class Attribute(Record):
    """An attribute such as site or age: its images by value, and the limits of its bins where it holds numbers."""

    values: dict[str, int]
    limits: tuple[float, ...] | None = None
    limits_from: str | None = None


class LeftOutSite(Record):
    """The attribute, or group, that split.kind: leave_out divides by, its values, and those of the test images."""

    attribute: str
    values: tuple[str, ...]
    tested: tuple[str, ...]


class CorrectedImage(Record):
    """An image that a person looked at: its class in the source, its class now (None: left out), and why."""

    id: str
    was: str
    now: str | None = None
    reason: str


class Corrected(Record):
    """A table of corrections, by its hash, and what it changed.

    Attributes:
        file, sha256: the table.
        relabelled, left_out, confirmed: numbers of images with another label, not used, and with the label they had.
        changes: number of images by change of the label.
        images: all of them, sorted by id.
        outlined: number of images with other outlines; None, and absent from the file, without any.
        added: number of new cells; None, and absent from the file, without any.
    """

    file: str
    sha256: str
    relabelled: int
    left_out: int
    confirmed: int
    changes: dict[str, int]
    images: tuple[CorrectedImage, ...]
    outlined: int | None = None
    added: int | None = None


class DatasetSummary(Contract):
    """An organized dataset.

    Attributes:
        classes: class names in the order of their indices; every model stores this order.
        normal: classes without disease; empty if the dataset does not distinguish normal from abnormal.
        masks: number of images with a true mask.
        split: how the splits were made.
        counts: number of images by split and class.
        groups: number of groups by split.
        converted: number of images by kind of conversion.
        range: values of deep images (more than 8 bits) that became 0 and 255 in all of them; None, and absent from the
            file, if all images have 8 bits.
        alpha, channels, page: how the files were read, as in `Reading`; absent where the plainest way.
        attributes: by name; None, and absent from the file, if none are named.
        left_out: whose images are the test images, with split.kind: leave_out; else absent.
        corrections: what a table of corrections changed; None, and absent from the file, without one.
        files: what became of every file of the source; None of a dataset that was organized by an earlier version.
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
    files: Files | None = None
    corrections: Corrected | None = None
    range: tuple[float, float] | None = None
    alpha: Alpha | None = None
    channels: tuple[int, ...] | None = None
    page: int | None = None
    attributes: dict[str, Attribute] | None = None
    left_out: LeftOutSite | None = None

    @property
    def reading(self) -> Reading | None:
        """How new images must be read for the models of this dataset; None: 8-bit images, in the plainest way."""
        given = {key: getattr(self, key) for key in ("range", "alpha", "channels", "page")}
        given = {key: value for key, value in given.items() if value is not None}
        return Reading(**given, eight_bit=self.range in (None, FULL)) if given else None

    @property
    def plain(self) -> Any:
        """The content as dictionaries, lists, strings and numbers, without what is absent."""
        return self.model_dump(mode="json", exclude_none=True)
