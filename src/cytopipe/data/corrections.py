"""Corrections by a person: a table that changes labels and outlines of training images, leaves some out, or adds cells.

Splits are drawn by the publisher's labels, so that a correction moves no other image; test images keep their labels,
because whoever corrects them has seen results on them.
"""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from cytopipe.adapters.alike import CLASS, alike, nearest, same_text, shown
from cytopipe.adapters.base import Sample
from cytopipe.adapters.tables import read_table
from cytopipe.core.io.hashing import sha256_file
from cytopipe.data.corrected_files import added_cell, beside, with_mask
from cytopipe.errors import CytopipeError
from cytopipe.paths import CORRECTIONS

logger = logging.getLogger("cytopipe")
COLUMNS = ("image", "label", "reason")
FURTHER = ("mask", "file", "group")  # columns that a table may have: outlines, and what makes a row a new cell
LEAVE_OUT = "leave out"  # as a label: the image is not used
_LIKE_THIS = f"a table of corrections has the columns {', '.join(COLUMNS)}"


@dataclass(frozen=True)
class Correction:
    """A row of the table.

    Attributes:
        label: the right class; None to leave the image out.
        reason: why; may be empty.
        where: file and line.
        mask: corrected outlines, a palette PNG below CORRECTIONS; None: they stay.
    """

    label: str | None
    reason: str
    where: str
    mask: Path | None = None


@dataclass(frozen=True)
class Corrections:
    """A table of corrections.

    Attributes:
        file: the table, relative to the project; None without one.
        sha256: hash of its content.
        by_id: the corrections by id of the image.
        added: new cells, sorted by id; `of_added` says where each stands.
    """

    file: Path | None = None
    sha256: str = ""
    by_id: Mapping[str, Correction] = field(default_factory=dict)
    added: tuple[Sample, ...] = ()
    of_added: Mapping[str, Correction] = field(default_factory=dict)

    @classmethod
    def read(
        cls, path: Path | None, samples: Sequence[Sample], excluded: Sequence[Sample], raw: Path, where: str
    ) -> Corrections:
        """Read the table and find the image of each row.

        Args:
            path: the table, below the folder CORRECTIONS; None for no corrections.
            samples: the images of the dataset.
            excluded: images of classes that are excluded.
            raw: folder with the publisher's files.
            where: key of params.yaml, for errors.

        Raises:
            CytopipeError: for a table elsewhere, which the engines would not watch; for one that cannot be read; for
                a row without label, an unknown image or class, and an image that stands twice; for a file of a row
                that is missing.
        """
        if path is None:
            return cls()
        if path.is_absolute() or ".." in path.parts or not path.is_relative_to(CORRECTIONS):
            raise CytopipeError(
                f"'{path}' does not lie below {CORRECTIONS}/, the folder that DVC and Snakemake watch for corrections",
                where=where,
                hint=f"move the table there and write: corrections: {CORRECTIONS / path.name}",
            )
        names = _Names(samples, excluded, raw)
        classes = sorted({sample.label for sample in samples})
        unwanted = {sample.label for sample in excluded}
        found: dict[str, Correction] = {}
        new: dict[str, Sample] = {}
        of_new: dict[str, Correction] = {}
        for line, row in read_table(path, COLUMNS, _LIKE_THIS):
            place = f"{path}:{line}"
            is_new = bool(row.get("file"))
            identity = row["image"] if is_new else names.find(row["image"], place)
            if seen := found.get(identity) or of_new.get(identity):
                raise CytopipeError(
                    f"the image '{identity}' stands twice, first in {seen.where}",
                    where=place,
                    hint="keep one of the rows",
                )
            label = _label(row["label"], classes, unwanted, place)
            one = Correction(label, row["reason"], place, beside(path, row.get("mask", ""), place))
            if not is_new:
                found[identity] = one
                continue
            names.refuse_known(identity, place)
            of_new[identity] = one
            if label is not None:
                picture = beside(path, row["file"], place)
                new[identity] = added_cell(identity, picture, label, row.get("group", ""), one.mask, place)
        return cls(path, sha256_file(path), found, tuple(new[identity] for identity in sorted(new)), of_new)

    def outlined(self, samples: Sequence[Sample]) -> list[Sample]:
        """The images with the masks that were corrected."""
        masks = {identity: one.mask for identity, one in self.by_id.items() if one.mask is not None}
        return [with_mask(sample, masks[sample.id]) if sample.id in masks else sample for sample in samples]

    @property
    def left_out(self) -> frozenset[str]:
        """Ids of the images that are not used."""
        return frozenset(identity for identity, one in self.by_id.items() if one.label is None)

    def label(self, sample: Sample) -> str:
        """The label of an image after correction; that of the publisher for one that is left out."""
        one = self.by_id.get(sample.id)
        return sample.label if one is None or one.label is None else one.label

    def check(self, samples: Sequence[Sample], splits: Sequence[str]) -> None:
        """Refuse corrections of test images.

        Args:
            samples: images with the publisher's labels.
            splits: their splits.

        Raises:
            CytopipeError: names the first such row.
        """
        touched = [
            sample.id
            for sample, split in zip(samples, splits, strict=True)
            if split == "test" and self._changes(sample)
        ]
        if touched:
            raise CytopipeError(
                f"'{touched[0]}' is a test image{_more(len(touched))}: labels of test images are not corrected, "
                "because whoever corrects them has seen results on them",
                where=self.by_id[touched[0]].where,
                hint="remove these rows; a wrong test label is an error of the source: correct it there, for every "
                "model, and say so",
            )

    def _changes(self, sample: Sample) -> bool:
        one = self.by_id.get(sample.id)
        return one is not None and (one.label != sample.label or one.mask is not None)

    def summary(self, samples: Sequence[Sample]) -> dict[str, Any]:
        """What was corrected, for summary.json; empty without a table.

        Args:
            samples: images with the publisher's labels.
        """
        if self.file is None:
            return {}
        named = {sample.id: sample.label for sample in samples}
        images = [
            {"id": identity, "was": named[identity], "now": one.label, "reason": one.reason}
            for identity, one in sorted(self.by_id.items())
        ]
        changed = Counter(f"{one['was']} -> {one['now']}" for one in images if one["now"] not in (None, one["was"]))
        masks, cells = sum(one.mask is not None for one in self.by_id.values()), len(self.added)
        further = {name: count for name, count in (("outlined", masks), ("added", cells)) if count}
        return {
            "corrections": {
                "file": self.file.as_posix(),
                "sha256": self.sha256,
                "relabelled": changed.total(),
                "left_out": len(self.left_out),
                "confirmed": sum(one["now"] == one["was"] for one in images),
                "changes": dict(sorted(changed.items())),
                "images": images,
                **further,
            }
        }

    def log(self, key: str, samples: Sequence[Sample]) -> None:
        """Say in one line what was corrected."""
        if made := self.summary(samples).get("corrections"):
            logger.info(
                "%s: %s changes %d labels, leaves %d images out and confirms %d labels",
                *(key, self.file, made["relabelled"], made["left_out"], made["confirmed"]),
            )
            if "outlined" in made or "added" in made:
                logger.info(
                    "%s: it changes the outlines of %d images and adds %d cells",
                    *(key, made.get("outlined", 0), made.get("added", 0)),
                )


class _Names:
    """The images of a dataset by what people write for them: id, file, or either as a spreadsheet changes it."""

    def __init__(self, samples: Sequence[Sample], excluded: Sequence[Sample], raw: Path) -> None:
        self._ids = {sample.id for sample in samples}
        self._folded = {identity.casefold() for identity in self._ids}
        self._excluded: dict[str, str] = {}
        self._by_file: dict[str, list[str]] = defaultdict(list)
        self._by_look: dict[str, list[str]] = defaultdict(list)
        for sample in excluded:
            self._excluded |= {sample.id: sample.label, _file(sample, raw): sample.label}
        for sample in samples:
            self._by_file[_file(sample, raw)].append(sample.id)
            self._by_look[alike(sample.id)].append(sample.id)

    def refuse_known(self, name: str, where: str) -> None:
        """Refuse a new cell with the id of an image.

        Raises:
            CytopipeError: there is one, or the row has no id.
        """
        if not name or name.casefold() in self._folded or name in self._excluded:
            what = f"the dataset has an image '{name}' already" if name else "no id is given for this new cell"
            raise CytopipeError(what, where=where, hint="give the new cell, which has a file, an id of its own")

    def find(self, name: str, where: str) -> str:
        """The id of an image.

        Raises:
            CytopipeError: for no name, an unknown one, or one of several images.
        """
        if not name:
            raise CytopipeError("no image is named", where=where, hint="write its id, or remove the row")
        text = unicodedata.normalize("NFC", name).replace("\\", "/")
        if name in self._ids:
            return name
        for found in (self._by_file.get(text), self._by_look.get(alike(name))):
            if found and len(found) == 1:
                return found[0]
            if found:
                raise CytopipeError(
                    f"{shown(name)} may be any of {len(found)} images: {', '.join(found[:3])}",
                    where=where,
                    hint="write the id of one, from suspects.csv or manifest.csv",
                )
        if excluded := self._excluded.get(name) or self._excluded.get(text):
            raise CytopipeError(
                f"the image {shown(name)} is of the class '{excluded}', which exclude_classes leaves out",
                where=where,
                hint="remove the row",
            )
        near = nearest(name, self._ids) or nearest(text, self._by_file)
        raise CytopipeError(
            f"there is no image {shown(name)} in the dataset",
            where=where,
            hint=f"did you mean {' or '.join(map(repr, near))}?"
            if near
            else "ids stand in manifest.csv of the dataset",
        )


def _file(sample: Sample, raw: Path) -> str:
    path = sample.image.relative_to(raw) if sample.image.is_relative_to(raw) else sample.image
    return unicodedata.normalize("NFC", PurePosixPath(path).as_posix())


def _label(text: str, classes: Sequence[str], excluded: Collection[str], where: str) -> str | None:
    """The class that a row names; None for LEAVE_OUT."""
    if (known := same_text(text, classes)) is not None:
        return known
    if alike(text) == alike(LEAVE_OUT):
        return None
    if not text:
        raise CytopipeError("no label is given", where=where, hint=f"write the right class, or: {LEAVE_OUT}")
    if text in excluded:
        raise CytopipeError(
            f"'{text}' is a class that exclude_classes leaves out", where=where, hint=f"write: {LEAVE_OUT}"
        )
    same = [name for name in classes if alike(name) == alike(text)]
    near = same or nearest(text, classes, cutoff=CLASS)
    raise CytopipeError(
        f"{shown(text)} is no class of the dataset",
        where=where,
        hint=(f"did you mean '{near[0]}'? " if near else "") + f"there are: {', '.join(classes)}; or {LEAVE_OUT}",
    )


def _more(count: int) -> str:
    return "" if count == 1 else f", and so are {count - 1} more of the table"
