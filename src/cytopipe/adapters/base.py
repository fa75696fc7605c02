"""The interface of dataset adapters: samples of a publisher's layout, and how to find that layout."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveFloat, ValidationError, model_validator

from cytopipe.core.io.folders import is_junk
from cytopipe.core.params import Alpha, Picked, Reading, Section, check_range, describe
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
    """

    id: str
    image: Path
    label: str
    group: str
    split: str | None = None
    mask: MaskReader | None = None
    pixel_size_um: float | None = None


@dataclass(frozen=True)
class AnnotatedCell:
    """A cell that the publisher outlined in a whole field.

    Attributes:
        id: unique in its dataset.
        label: class name.
        cytoplasm, nucleus: outlines of the whole cell and of its nucleus, P x 2 float, x and y in pixels of the field.
    """

    id: str
    label: str
    cytoplasm: np.ndarray
    nucleus: np.ndarray


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


class Options(Section):
    """An adapter's own parameters, and those that every adapter takes: what the pixels of the images mean."""

    range: Literal["auto", "full"] | tuple[FiniteFloat, FiniteFloat] = Field(
        "auto",
        description="values of images with more than 8 bits that become 0 and 255: auto: one range found from all "
        "images; full: 0 to 65535; or [low, high]",
    )
    alpha: Alpha = Field("blend", description="transparency: blend it on white, or drop it and keep the colours")
    channels: Picked | None = Field(
        None, description="one to three channels, counted from 0, that become grey, or red, green and blue"
    )
    page: NonNegativeInt | None = Field(None, description="page of files with several, counted from 0")
    pixel_size_um: PositiveFloat | None = Field(
        None, description="side of a pixel in micrometres, instead of what the files say"
    )

    @model_validator(mode="after")
    def _range_ascends(self) -> Options:
        if isinstance(self.range, tuple):
            check_range(self.range)
        return self

    @property
    def reading(self) -> Reading:
        """How the files are read, without the range of deep images."""
        return Reading(alpha=self.alpha, channels=self.channels, page=self.page)


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
        fields: yields the whole fields below the raw folder; None if the publisher gives none with outlines.
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
    fields: Callable[[Path], Iterator[AnnotatedField]] | None = None
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
        samples = sorted(self.samples(raw, self._parse(options, key)), key=lambda sample: sample.id)
        if not samples:
            raise self.not_found(raw, "no image of this dataset")
        seen: dict[str, Path] = {}
        for sample in samples:
            if sample.id in seen:
                raise CytopipeError(
                    f"two images have the id '{sample.id}': {seen[sample.id]} and {sample.image}",
                    hint="keep one of them, or rename one",
                )
            seen[sample.id] = sample.image
        return samples

    def read_fields(self, raw: Path) -> list[AnnotatedField]:
        """All whole fields with their annotated cells, sorted by id.

        Raises:
            CytopipeError: the dataset has none, or a layout that is another dataset's.
        """
        if self.fields is None:
            raise CytopipeError(f"{self.title} has no whole fields with outlined cells", hint="screen another dataset")
        fields = sorted(self.fields(raw), key=lambda field: field.id)
        if not fields:
            raise self.not_found(raw, "no whole field of this dataset")
        return fields

    def pixel_options(self, options: dict[str, Any], key: str) -> Options:
        """The options that every adapter takes.

        Raises:
            CytopipeError: for unknown options.
        """
        return self._parse(options, key)

    def class_order(self, options: dict[str, Any], key: str) -> tuple[str, ...]:
        """Class names in the order of their indices; empty if they are read from the data.

        Raises:
            CytopipeError: for unknown options.
        """
        return self.order(self._parse(options, key)) if self.order else self.classes

    def normal_classes(self, options: dict[str, Any], key: str, classes: Sequence[str]) -> list[str]:
        """The classes without disease, in class order; empty if all classes, or none of them, are without disease.

        Raises:
            CytopipeError: for unknown options, or an option that names a class that is not there.
        """
        asked: tuple[str, ...] = getattr(self._parse(options, key), "normal", ())
        if unknown := sorted(set(asked) - set(classes)):
            raise CytopipeError(f"there is no class '{unknown[0]}'", where=f"{key}.normal", hint=", ".join(classes))
        normal = [label for label in classes if label in (asked or self.normal)]
        return normal if len(normal) < len(classes) else []

    def _parse(self, options: dict[str, Any], key: str) -> Options:
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
        return CytopipeError(
            f"{what}: expected {self.title} ({self.layout}), found {', '.join(there) or 'nothing'}",
            where=raw,
            hint=f"check datasets.*.adapter and datasets.*.source.path; the dataset's home is {self.home}",
        )


def read_csv(path: Path, columns: tuple[str, ...], hint: str = "") -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV (any line ends, BOM, `,` or `;`) with their line numbers; values are stripped.

    Raises:
        CytopipeError: for a missing file, a column that is missing (the message names those there are) or appears
            twice, a row with too few or too many values, or text that is not CSV in UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError:
        raise CytopipeError("no such CSV", where=path, hint=hint or None) from None
    except UnicodeDecodeError as error:
        raise CytopipeError(f"not UTF-8 text ({error.reason})", where=path, hint="save it as UTF-8") from None
    header = text.partition("\n")[0]
    delimiter = ";" if header.count(";") > header.count(",") else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        yield from _rows(path, reader, columns, hint)
    except csv.Error as error:
        raise CytopipeError(
            f"not a CSV: {error}", where=f"{path}:{reader.line_num + 1}", hint="check the quotes"
        ) from None


def _rows(
    path: Path, reader: csv.DictReader[str], columns: tuple[str, ...], hint: str
) -> Iterator[tuple[int, dict[str, str]]]:
    names = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = names
    missing = [name for name in columns if name not in names]
    if missing:
        raise CytopipeError(
            f"no column {', '.join(repr(name) for name in missing)}; it has {', '.join(map(repr, names)) or 'none'}",
            where=path,
            hint=hint or "rename the column, or name it in the dataset's options",
        )
    twice = [name for name in columns if names.count(name) > 1]
    if twice:
        raise CytopipeError(f"the column '{twice[0]}' stands twice", where=path, hint="rename one of them")
    for row in reader:
        if None in row or None in row.values():
            raise CytopipeError(
                "this row has another number of values than the header", where=f"{path}:{reader.line_num}"
            )
        yield reader.line_num, {name: value.strip() for name, value in row.items()}
