"""HEp-2: 13,596 grey fluorescence images (78 x 78 px) of single cells, six staining patterns, ICPR 2014 contest.

Lovell et al., "Performance evaluation of indirect immunofluorescence image analysis systems", ICPR 2014, Task 1.
The cells come from 83 specimens, which are not named. Ids run class by class, and it is taken that the cells of one
specimen follow each other: blocks of ids within a class stand in for specimens, and can tear one at their ends.
The images 11005 to 11198 (NuMem) stand twice, again as 11199 to 11392; the publisher's split tears 104 of these pairs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import Field

from cytopipe.adapters.base import Adapter, Options, Phantoms, Sample, read_csv
from cytopipe.adapters.layout import SPLIT_WORDS, class_folders, images_of, list_paths, logger, missing_classes
from cytopipe.errors import CytopipeError

CLASSES = ("Homogeneous", "Speckled", "Nucleolar", "Centromere", "NuMem", "Golgi")
BLOCK = 160  # images of a class, by consecutive ids, about as many as a specimen has
_LABELS = {label.lower(): label for label in CLASSES}
_CSV = "gt_training.csv"


class Hep2Options(Options):
    """How groups are made."""

    block: int = Field(
        BLOCK, ge=1, description="images of a class, by consecutive ids, that are one group: about a specimen's"
    )


@dataclass(frozen=True)
class _Image:
    path: PurePosixPath
    label: str
    split: str | None


def _samples(raw: Path, options: Hep2Options) -> Iterator[Sample]:
    paths = list_paths(raw)
    images = images_of(paths)
    tables = sorted((len(path.parts), path) for path in paths if path.name.lower() == _CSV)
    folders = class_folders(raw, images, _LABELS)
    if fault := missing_classes(folders, CLASSES):
        raise ADAPTER.not_found(raw, fault)
    if folders:
        placed = ((found, found.folder / name) for found in folders for name in found.images)
        known = _numbered(raw, (_Image(path, found.label, found.split) for found, path in placed))
        groups = _blocks({number: image.label for number, image in known.items()}, options.block)
    elif tables:
        table = raw / tables[0][1]
        labels = _read_labels(table)
        known = _numbered(raw, _labelled(images, labels, table))
        groups = _blocks(labels, options.block)
        if absent := sorted(set(labels) - set(known)):
            logger.warning("%s: %d rows have no image, first %05d", table, len(absent), absent[0])
    else:
        raise ADAPTER.not_found(raw, f"no {_CSV}, and no folders of the classes")
    for number, image in known.items():
        yield Sample(f"{number:05d}", raw / image.path, image.label, groups[number], image.split)


def _read_labels(table: Path) -> dict[int, str]:
    """Class of each id; ids may be padded (`00001`) or not (`1`)."""
    labels: dict[int, str] = {}
    for line, row in read_csv(table, ("Image ID", "Image class")):
        number, label = row["Image ID"].lower().removesuffix(".png"), row["Image class"]
        where = f"{table}:{line}"
        if not _is_number(number):
            raise CytopipeError(f"the id '{row['Image ID']}' is not a number", where=where)
        if label.lower() not in _LABELS:
            raise CytopipeError(f"the class '{label}' is none of {', '.join(CLASSES)}", where=where)
        if int(number) in labels:
            raise CytopipeError(f"the id '{number}' stands twice", where=where, hint="keep one of the rows")
        labels[int(number)] = _LABELS[label.lower()]
    return labels


def _labelled(images: list[PurePosixPath], labels: dict[int, str], table: Path) -> Iterator[_Image]:
    for path in images:
        if not _is_number(path.stem):  # such as 00001_Mask.png
            continue
        if int(path.stem) not in labels:
            raise CytopipeError(f"no row for the image {path}", where=table, hint="add the row, or remove the image")
        yield _Image(path, labels[int(path.stem)], SPLIT_WORDS.get(path.parent.name.lower()))


def _numbered(raw: Path, images: Iterable[_Image]) -> dict[int, _Image]:
    """Images by their ids, of which each must be there once."""
    found: dict[int, _Image] = {}
    for image in images:
        if not _is_number(image.path.stem):
            continue
        first = found.setdefault(int(image.path.stem), image)
        if first is not image:
            raise CytopipeError(
                f"two images have the id {int(image.path.stem):05d}: {first.path} and {image.path}",
                where=raw,
                hint="keep one copy of the dataset",
            )
    return found


def _blocks(labels: dict[int, str], block: int) -> dict[int, str]:
    """Group of each id: its class and the number of its block, counted from the class's first id."""
    seen: dict[str, int] = defaultdict(int)
    groups = {}
    for number in sorted(labels):
        label = labels[number]
        groups[number] = f"{label}_{seen[label] // block:03d}"
        seen[label] += 1
    return groups


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _tables(raw: Path, options: Hep2Options) -> Iterator[Path]:
    paths = list_paths(raw)
    if not class_folders(raw, images_of(paths), _LABELS):
        tables = sorted((path for path in paths if path.name.lower() == _CSV), key=lambda path: (len(path.parts), path))
        yield from (raw / path for path in tables[:1])


ADAPTER = Adapter(
    name="hep2",
    title="HEp-2 cells, ICPR 2014",
    home="https://github.com/george-chou/HEp-2_cell_classification",
    layout=f"{{training,validation,test}}/00001.png, or all images in one folder, with {_CSV} (Image ID, Image class); "
    "or {tra,val,tes}/<Class>/00001.png",
    group_key="blocks of options.block consecutive ids within a class, a stand-in for specimens",
    published_split="by the folders: 8,701 / 2,175 / 2,720 images; no specimen's are kept together",
    classes=CLASSES,
    options=Hep2Options,
    samples=_samples,
    tables=_tables,
    phantoms=Phantoms("hep2", table="hep2", fields_per_class=5, cells_per_field=BLOCK, scale=1.0),
)
