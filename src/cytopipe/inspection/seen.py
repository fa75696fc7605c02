"""What `cytopipe inspect` sees, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TO_DECIDE = "TO DECIDE"  # begins the comments of params.yaml that name what the user has to decide


@dataclass(frozen=True)
class Pictures:
    """Images by their headers.

    Attributes:
        count: of all images.
        suffixes: number of files by suffix.
        looked_at: how many headers were read; of many images a part, evenly spread.
        width, height: smallest, median and largest, pixels.
        modes: number of the images that were looked at by mode and bit depth, such as "8-bit RGB".
        unreadable: path and reason of those that do not open.
    """

    count: int = 0
    suffixes: dict[str, int] = field(default_factory=dict)
    looked_at: int = 0
    width: tuple[int, int, int] = (0, 0, 0)
    height: tuple[int, int, int] = (0, 0, 0)
    modes: dict[str, int] = field(default_factory=dict)
    unreadable: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Column:
    """A column of a table: its name, how many different values it has, some of them, and what it seems to hold."""

    name: str
    distinct: int
    examples: tuple[str, ...]
    role: str | None = None


@dataclass(frozen=True)
class Table:
    """A table: its path, rows and columns, the images that its rows name, and why it cannot be read, if so.

    Attributes:
        path: below the source's own folder.
        rows: number of them, without the header.
        columns: in their order.
        named: images that the column with the role "image" names.
        images: folder that the names are below.
        several: a name in it that fits several files, as a sentence.
        fault: why the table cannot be read.
    """

    path: str
    rows: int = 0
    columns: tuple[Column, ...] = ()
    named: int = 0
    images: str = "."
    several: str | None = None
    fault: str | None = None

    def column(self, role: str) -> str | None:
        """The first column of a role."""
        return next((column.name for column in self.columns if column.role == role), None)


@dataclass(frozen=True)
class Masks:
    """What is taken for masks among the images.

    Attributes:
        folders: that hold masks.
        files: number of all masks.
        values: of some of them.
        ending: of the names of masks that lie beside their images, such as `_mask`.
        suffixes: of images and of masks, where these lie beside each other and differ in nothing else.
    """

    folders: tuple[str, ...] = ()
    files: int = 0
    values: tuple[int, ...] = ()
    ending: str | None = None
    suffixes: tuple[str, str] | None = None


@dataclass(frozen=True)
class Group:
    """A way to tell which images belong together: the option with its value, how many groups it gives, and of what."""

    option: str
    value: str
    groups: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Fit:
    """Parameters that fit.

    Attributes:
        options: of the adapter `folder`.
        split: of the dataset: the kind.
        why: a sentence for each option, and for "split.kind", as a comment.
        unclear: what has to be decided by hand before the dataset can be read; empty if nothing has.
        classes, splits: images of each class and of each split under these options.
        groups: number of groups; 0 where none is known.
    """

    options: dict[str, Any]
    split: str
    why: dict[str, str] = field(default_factory=dict)
    unclear: tuple[str, ...] = ()
    classes: dict[str, int] = field(default_factory=dict)
    splits: dict[str, int] = field(default_factory=dict)
    groups: int = 0


@dataclass(frozen=True)
class Seen:
    """Everything that was seen in a source.

    Attributes:
        source: as it was given.
        home: the folder within it that everything lies in, "." if there is none.
        files: number of files.
        tree: lines of the tree of folders with the images in each.
        pictures: images that are no masks.
        masks: see `Masks`.
        tables: see `Table`.
        groups: candidates for the group.
        odd: reason, number and first path of files that are none of these.
        fit: see `Fit`.
        known: presets that read the source, and what it is to them.
    """

    source: str
    home: str
    files: int
    tree: tuple[str, ...]
    pictures: Pictures
    masks: Masks
    tables: tuple[Table, ...]
    groups: tuple[Group, ...]
    odd: tuple[tuple[str, int, str], ...]
    fit: Fit
    known: tuple[tuple[str, str], ...] = ()
