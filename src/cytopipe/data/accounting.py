"""What became of every file of a source: used as image, mask or table, or left out for a reason."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cytopipe.adapters.base import Sample
from cytopipe.core.io.folders import list_files
from cytopipe.core.io.left_out import LeftOut
from cytopipe.core.io.litter import conflicting_copies, find_litter
from cytopipe.data.imaging.formats import LARGEST_POINTER, LFS_HINT, is_image_name, is_lfs_pointer
from cytopipe.data.imaging.unread import may_be_missed, why_unread
from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")

EXCLUDED = "images of excluded classes (exclude_classes)"
REFUSED = "images that cannot be used (bad_images: skip)"
CORRECTED = "images that corrections leave out"
THEIR_MASKS = "masks of images that are left out"
_TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".xls", ".json", ".xml", ".dat")


@dataclass(frozen=True)
class Files:
    """Numbers of files of a source.

    Attributes:
        images, masks, tables: files that were used.
        left_out: all others; together they are the files of the source.
    """

    images: int
    masks: int
    tables: int
    left_out: LeftOut

    @property
    def plain(self) -> dict[str, Any]:
        """As in summary.json."""
        return {
            "images": self.images,
            "masks": self.masks,
            "tables": self.tables,
            "left_out": self.left_out.plain,
        }

    def log(self, dataset: str) -> None:
        """Say it in one line: a warning if what was left out may be data that the user misses."""
        is_loud = REFUSED in self.left_out.counts or may_be_missed(self.left_out)
        logger.log(
            logging.WARNING if is_loud else logging.INFO,
            "%s: used %s, %s and %s; left out %s%s",
            *(dataset, _count(self.images, "image"), _count(self.masks, "file") + " of masks"),
            *(_count(self.tables, "table"), _count(self.left_out.total, "file")),
            f": {self.left_out}" if self.left_out else "",
        )


def account(
    raw: Path,
    samples: Sequence[Sample],
    wanted: Sequence[Sample],
    kept: Sequence[Sample],
    tables: Iterable[Path],
    left_behind: LeftOut | None = None,
    corrected: Sequence[Sample] = (),
) -> Files:
    """Say of every file below `raw` what became of it.

    Args:
        raw: folder with the publisher's files.
        samples: all that the adapter read.
        wanted: those of them that are of no excluded class.
        kept: those of them that became images.
        tables: the tables that the adapter read.
        left_behind: files of the source that `download` left out of `raw`.
        corrected: samples that corrections leave out.
    """
    names = list_files(raw)
    left_out = LeftOut()
    images = _names(raw, (sample.image for sample in kept))
    masks = _names(raw, (path for sample in kept for path in sample.mask_files)) - images
    read = _names(raw, tables) - images - masks
    refused, excluded = _names(raw, (s.image for s in wanted)), _names(raw, (s.image for s in samples))
    others = _names(raw, (path for sample in samples for path in sample.mask_files))
    by_hand = _names(raw, (sample.image for sample in corrected))
    litter = find_litter(names)
    for name in names:
        if name in images or name in masks or name in read:
            continue
        if name in refused or name in excluded:
            left_out.add(CORRECTED if name in by_hand else REFUSED if name in refused else EXCLUDED, name)
        elif name in others:
            left_out.add(THEIR_MASKS, name)
        else:
            left_out.add(litter.get(name) or why_unread(raw / name), name)
    present = set(names)
    left_out += left_behind or LeftOut()
    return Files(len(images & present), len(masks & present), len(read & present), left_out)


def refuse_pointers(raw: Path) -> None:
    """Refuse a source of which Git LFS still keeps images or tables; leaving them out would train on a remnant.

    Raises:
        CytopipeError: says how many there are.
    """
    names = [name for name in list_files(raw) if is_image_name(name) or name.lower().endswith(_TABLES)]
    found = [name for name in names if (raw / name).stat().st_size <= LARGEST_POINTER and is_lfs_pointer(raw / name)]
    if found:
        raise CytopipeError(
            f"{len(found)} of {len(names)} images and tables are pointers of Git LFS, not the files themselves, first "
            f"{found[0]}",
            where=raw,
            hint=LFS_HINT,
        )


def warn_of_conflicts(dataset: str, samples: Iterable[Sample]) -> None:
    """Say that a synchronising program kept two versions of an image, which are different images to the pipeline."""
    if found := conflicting_copies(sorted(sample.image.name for sample in samples)):
        logger.warning(
            "%s: %d images are conflicting copies of a synchronising program, first %s: keep one version of each",
            *(dataset, len(found), found[0]),
        )


def _names(raw: Path, paths: Iterable[Path]) -> set[str]:
    home = os.path.normpath(raw)
    plain = (Path(os.path.normpath(path)) for path in paths)  # a table may name `../masks/1.png`
    return {path.relative_to(home).as_posix() for path in plain if path.is_relative_to(home)}


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
