"""Files that rows of a table of corrections name: outlines of images, and pictures of new cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from cytopipe.adapters.alike import shown
from cytopipe.adapters.base import Sample
from cytopipe.adapters.ids import file_ids
from cytopipe.data.check_images import Checked
from cytopipe.data.imaging.masks import NUCLEUS, read_mask
from cytopipe.errors import CytopipeError

_NAME = re.compile(r"(?!\.)[^/\\:*?\"<>|\x00-\x1f]+")


def beside(table: Path, name: str, where: str) -> Path | None:
    """A file below the folder of the table; None for no name.

    Raises:
        CytopipeError: there is none.
    """
    if not name:
        return None
    path = table.parent / PurePosixPath(name.replace("\\", "/"))
    if ".." in path.parts or not path.is_relative_to(table.parent):
        raise CytopipeError(
            f"{shown(name)} does not lie below {table.parent}/", where=where, hint="move the file there"
        )
    if not path.is_file():
        raise CytopipeError(f"there is no file {path}", where=where, hint="restore it, or remove the row")
    return path


def read_outlines(path: Path, size: tuple[int, int]) -> np.ndarray:
    """A corrected mask: H x W uint8 palette. `size` is that of the image, which `check_images` compares.

    Raises:
        CytopipeError: it is no palette PNG of background, cytoplasm and nucleus.
    """
    mask = read_mask(path)
    if mask.max(initial=0) > NUCLEUS:
        raise CytopipeError(
            f"holds the value {mask.max()}; a mask has 0 (background), 1 (cytoplasm) and 2 (nucleus)", where=path
        )
    return mask


def with_mask(sample: Sample, path: Path) -> Sample:
    """The image with other outlines than the publisher's."""
    return replace(sample, mask=partial(read_outlines, path))


def added_cell(identity: str, picture: Path | None, label: str, group: str, mask: Path | None, where: str) -> Sample:
    """A cell that the publisher does not have, such as one that a screening found.

    Args:
        identity: its id.
        picture: a PNG below the folder of corrections.
        label: its class.
        group: cells of one group (field, slide) never straddle a split; without one the cell is a group of its own.
        mask: its outlines, if there are any.
        where: file and line, for errors.

    Raises:
        CytopipeError: the id cannot name a file.
    """
    if file_ids([identity]) != [identity] or not _NAME.fullmatch(identity):
        raise CytopipeError(f"'{identity}' cannot name a file", where=where, hint="use letters, digits, _ and -")
    assert picture is not None  # a row without a picture is no new cell
    reader = partial(read_outlines, mask) if mask else None
    return Sample(identity, picture, label, group or identity, mask=reader)


def place_added(added: Sequence[Checked], placed: Sequence[tuple[Checked, str]]) -> list[tuple[Checked, str]]:
    """The splits of new cells: training, or that of the images of their group.

    Args:
        added: the new cells.
        placed: the images of the dataset, with their splits.

    Raises:
        CytopipeError: a new cell shows what the test images show: it has their group, or their pixels.
    """
    by_group = {item.sample.group: split for item, split in placed}
    by_pixels = {item.stored.sha256: split for item, split in placed}
    found = []
    for item in added:
        split = by_pixels.get(item.stored.sha256) or by_group.get(item.sample.group, "train")
        if split == "test":
            raise CytopipeError(
                f"the new cell '{item.sample.id}' is of the group '{item.sample.group}', or has the pixels of one of "
                "its images, which are test images: whoever adds it trains on what is tested",
                where=item.sample.image,
                hint="remove its row from the table of corrections",
            )
        found.append((item, split))
    return found
