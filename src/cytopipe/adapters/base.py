"""The interface of dataset adapters: samples of a publisher's layout, and how to find that layout."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from cytopipe.adapters.alike import CLASS, nearest, same_text
from cytopipe.adapters.ids import file_ids
from cytopipe.adapters.layout import home_of
from cytopipe.adapters.options import Options as Options
from cytopipe.core.io.archive_formats import is_archive_name
from cytopipe.core.io.folders import list_files
from cytopipe.core.io.litter import is_junk
from cytopipe.core.params import describe
from cytopipe.data.imaging.boxes import Box
from cytopipe.errors import CytopipeError

MaskReader = Callable[[tuple[int, int]], np.ndarray]


@dataclass(frozen=True)
class Sample:
    """One image as its publisher distributes it.

    Attributes:
        id: unique in the dataset; becomes the file name.
        image: file in the raw folder.
        label: class name.
        group: images of one group (patient, slide, field) never straddle a split.
        split: the publisher's own: "train", "val" or "test", DEVELOPMENT, or None if the publisher gives none.
        mask: reads the true mask of an image of (height, width): H x W uint8 palette. A function at the top level of a
            module, or a `functools.partial` of one, because it is sent to other processes.
        pixel_size_um: side of a pixel in micrometres, where a table says it.
        attributes: values by attribute (`options.attributes`), as they are written; empty where one is missing.
        beside: further files that the mask is read from, besides the paths among the arguments of the partial `mask`.
        crop: left, top, right and bottom of what is used of the image, pixels, the last two exclusive; None: all of it.
            `mask` is that of the crop.
        field: id of the field that it is cropped from; samples of one field never straddle a split either.
    """

    id: str
    image: Path
    label: str
    group: str
    split: str | None = None
    mask: MaskReader | None = None
    beside: tuple[Path, ...] = ()
    pixel_size_um: float | None = None
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    crop: Box | None = None
    field: str = ""

    @property
    def smallest_unit(self) -> str:
        """What no split may tear: the image itself, or the field that it is cropped from."""
        return self.field or self.id

    @property
    def mask_files(self) -> tuple[Path, ...]:
        """The files that the mask is read from."""
        named = self.mask.args if isinstance(self.mask, partial) else ()
        return (*(path for path in named if isinstance(path, Path) and path != self.image), *self.beside)


@dataclass(frozen=True)
class AnnotatedCell:
    """A cell that the publisher outlined in a whole field.

    Attributes:
        id: unique in its dataset.
        label: class name.
        cytoplasm, nucleus: outlines of the whole cell and of its nucleus, P x 2 float, x and y in pixels of the field;
            the nucleus is None where it is not outlined.
    """

    id: str
    label: str
    cytoplasm: np.ndarray
    nucleus: np.ndarray | None


@dataclass(frozen=True)
class AnnotatedField:
    """A whole field of view with the cells that its publisher outlined, which need not be all that it shows.

    Attributes:
        id: unique in its dataset; names files.
        image: file in the raw folder.
        group: that of the samples that were cropped from it.
        cells: wholly within the field.
    """

    id: str
    image: Path
    group: str
    cells: tuple[AnnotatedCell, ...]


@dataclass(frozen=True)
class Phantoms:
    """Phantoms that stand in for a dataset where `cytopipe preset NAME --phantoms` asks for them.

    Attributes:
        layout: of the published dataset: the module of `cytopipe_phantoms.writers` that draws it. It is imported when
            images are drawn, not with the adapter.
        table: name of the biology table in workflow/phantoms/, without its suffix.
        fields_per_class, cells_per_field, scale: as in `PhantomSource`.
    """

    layout: str
    table: str
    fields_per_class: int = 20
    cells_per_field: int = 8
    scale: float = 0.5


@dataclass(frozen=True)
class Adapter:
    """How one published dataset is read.

    Attributes:
        name: as in `datasets.<name>.adapter`.
        title, home, layout, group_key: shown by `cytopipe datasets` and in error messages.
        published_split: the meaning of `split.kind: published`, in words.
        normal: classes without disease, if the dataset has any; the option `normal` overrides them.
        classes: class names in the order of their indices; empty if they are read from the data.
        options: model of `datasets.<name>.options`.
        samples: yields every sample below the raw folder.
        order: the classes for given options; None if options do not change them.
        fields: yields the whole fields below the raw folder for given options; None if the publisher gives none with
            outlines.
        tables: the tables below the raw folder that `samples` reads; None if it reads none.
        phantoms: how images in this layout are drawn; None if they cannot be.
    """

    name: str
    title: str
    home: str
    layout: str
    group_key: str
    classes: tuple[str, ...]
    options: type[Options]
    samples: Callable[[Path, Any], Iterator[Sample]]
    order: Callable[[Any], tuple[str, ...]] | None = None
    published_split: str = "none"
    normal: tuple[str, ...] = ()
    fields: Callable[[Path, Any], Iterator[AnnotatedField]] | None = None
    tables: Callable[[Path, Any], Iterable[Path]] | None = None
    phantoms: Phantoms | None = None

    def read(self, raw: Path, options: dict[str, Any], key: str) -> list[Sample]:
        """All samples, sorted by id.

        Args:
            raw: folder with the publisher's files.
            options: as in params.yaml.
            key: where the options stand, for errors.

        Raises:
            CytopipeError: for unknown options, a layout that is another dataset's, or two samples of one id.
        """
        found = list(self.samples(raw, self.parse(options, key)))
        ids = file_ids([sample.id for sample in found])
        samples = [
            sample if sample.id == id_ else replace(sample, id=id_) for sample, id_ in zip(found, ids, strict=True)
        ]
        samples.sort(key=lambda sample: sample.id)
        if not samples:
            raise self.not_found(raw, "no image of this dataset")
        seen: dict[str, Path] = {}
        for sample in samples:
            if sample.id in seen:
                raise CytopipeError(
                    f"two images have the id '{sample.id}': {seen[sample.id]} and {sample.image}",
                    hint=self._how_to_tell_apart(seen[sample.id], sample.image),
                )
            seen[sample.id] = sample.image
        return samples

    def _how_to_tell_apart(self, one: Path, other: Path) -> str:
        hint = "keep one of them, or rename one"
        if one.with_suffix("") == other.with_suffix("") and "suffix" in self.options.model_fields:
            hint += f"; if one is a mask, name the suffix of the images in options.suffix (such as {one.suffix})"
        return hint

    def read_tables(self, raw: Path, options: dict[str, Any], key: str) -> list[Path]:
        """The tables that `read` reads."""
        parsed = self.parse(options, key)
        tables = list(self.tables(raw, parsed)) if self.tables else []
        if parsed.attributes_table:
            tables.append(home_of(raw, [parsed.attributes_table]) / parsed.attributes_table)
        return list(dict.fromkeys(tables))

    def read_fields(self, raw: Path, options: dict[str, Any] | None = None, key: str = "") -> list[AnnotatedField]:
        """All whole fields with their annotated cells, sorted by id.

        Args:
            raw: folder with the publisher's files.
            options: as in params.yaml; None: those that are the default.
            key: where the options stand, for errors.

        Raises:
            CytopipeError: the dataset has none, or a layout that is another dataset's.
        """
        if self.fields is None:
            raise CytopipeError(f"{self.title} has no whole fields with outlined cells", hint="screen another dataset")
        fields = sorted(self.fields(raw, self.parse(options or {}, key)), key=lambda field: field.id)
        if not fields:
            raise self.not_found(raw, "no whole field of this dataset")
        return fields

    def class_order(self, options: dict[str, Any], key: str) -> tuple[str, ...]:
        """Class names in the order of their indices; empty if they are read from the data.

        Raises:
            CytopipeError: for unknown options.
        """
        return self.order(self.parse(options, key)) if self.order else self.classes

    def normal_classes(self, options: dict[str, Any], key: str, classes: Sequence[str]) -> list[str]:
        """The classes without disease, in class order; empty if all classes, or none of them, are without disease.

        Raises:
            CytopipeError: for unknown options, or an option that names a class that is not there.
        """
        asked: tuple[str, ...] = getattr(self.parse(options, key), "normal", ())
        named = {name: same_text(name, classes) for name in asked}
        if unknown := sorted(name for name, label in named.items() if label is None):
            near = nearest(unknown[0], classes, 1, CLASS)
            raise CytopipeError(
                f"there is no class '{unknown[0]}'" + (f"; did you mean '{near[0]}'?" if near else ""),
                where=f"{key}.normal",
                hint=", ".join(classes),
            )
        normal = [label for label in classes if label in (set(named.values()) or self.normal)]
        return normal if len(normal) < len(classes) else []

    def parse(self, options: dict[str, Any], key: str) -> Options:
        """The options, checked.

        Raises:
            CytopipeError: for unknown options.
        """
        try:
            return self.options.model_validate(options)
        except ValidationError as error:
            known = ", ".join(self.options.model_fields) or "none"
            raise CytopipeError(describe(error), where=key, hint=f"options of '{self.name}': {known}") from None

    def not_found(self, raw: Path, what: str) -> CytopipeError:
        """The error for a raw folder that does not hold this dataset: what was expected, and what was found."""
        there = [path.relative_to(raw).as_posix() for path in sorted(raw.glob("*/*"))] or [
            path.name for path in sorted(raw.glob("*"))
        ]
        there = [name for name in there if not is_junk(name)][:4]
        inside = next((name for name in list_files(raw) if is_archive_name(name)), None)
        unpack = f"unpack the archive inside the source ({inside}) and name its folder; or " if inside else ""
        return CytopipeError(
            f"{what}: expected {self.title} ({self.layout}), found {', '.join(there) or 'nothing'}",
            where=raw,
            hint=f"{unpack}check datasets.*.adapter and datasets.*.source.path; the dataset's home is {self.home}; a "
            "copy in another layout is read by adapter: folder (`cytopipe inspect` shows how)",
        )
