"""Tables: which column names the images, which the class, the patient, the split and the mask."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from cytopipe.adapters.layout import split_of, words_of
from cytopipe.adapters.tables import read_table
from cytopipe.core.params.attributes import number_of
from cytopipe.errors import CytopipeError
from cytopipe.inspection.seen import Column, Table

SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".xlsx")
MOST_CLASSES = 50
_MOST_ATTRIBUTES = 12  # values of a column that nothing but their number makes an attribute
_EXAMPLES = 4
# Words of columns' names, the surest first.
_LABEL = (
    "label", "labels", "class", "classes", "klasse", "diagnosis", "diagnose", "dx", "target", "category", "cell_type",
    "celltype", "type", "finding", "result", "grade", "annotation", "y",
)  # fmt: skip
_GROUP = (
    "patient", "subject", "participant", "person", "donor", "animal", "mouse", "pid", "mrn", "case", "specimen",
    "sample", "slide", "smear", "wsi", "accession", "group", "field", "fov",
)  # fmt: skip
_SPLIT = ("split", "set", "subset", "partition", "usage", "phase", "dataset", "fold", "train")
_ATTRIBUTE = (
    "site", "hospital", "clinic", "centre", "center", "laboratory", "lab", "institution", "institute", "country",
    "region", "scanner", "device", "microscope", "camera", "vendor", "manufacturer", "instrument", "stain", "staining",
    "batch", "magnification", "sex", "gender", "age", "ethnicity", "race", "operator", "technician", "cohort", "source",
)  # fmt: skip
_MASK = ("mask", "segmentation", "seg", "maske")


def tables_of(home: Path, paths: Iterable[PurePosixPath], images: Sequence[PurePosixPath]) -> list[Table]:
    """Every table with its columns and what they seem to hold, that which names most images first."""
    found = [_look_at(home, path, images) for path in paths if path.suffix.lower() in SUFFIXES]
    found = [table for table in found if len(table.columns) > 1 or not table.path.lower().endswith(".txt")]
    return sorted(found, key=lambda table: (-table.named, table.path))


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a table.

    Raises:
        CytopipeError: it cannot be read.
    """
    return [row for _, row in read_table(path)]


def _look_at(home: Path, path: PurePosixPath, images: Sequence[PurePosixPath]) -> Table:
    try:
        rows = rows_of(home / path)
    except CytopipeError as error:
        return Table(path.as_posix(), fault=error.what)
    names = [name for name in (rows[0] if rows else {}) if name]
    values = {name: [row[name] for row in rows] for name in names}
    if len(names) < 2:
        return Table(path.as_posix(), len(rows), tuple(_column(name, values[name], None) for name in names))
    matches = {name: _matches(values[name], images) for name in names}
    image = max(names, key=lambda name: len(matches[name]), default=None)
    roles: dict[str, str] = {}
    named, folder, several = 0, ".", None
    if image is not None and len(matches[image]) * 2 >= len(rows) > 0:
        roles[image] = "image"
        named = len(set(matches[image].values()))
        several = _several(matches[image], images)
        folder = _folder(matches[image], images)
        roles |= _other_roles({name: values[name] for name in names if name != image}, images)
    columns = tuple(_column(name, values[name], roles.get(name)) for name in names)
    return Table(path.as_posix(), len(rows), columns, named, folder, several)


def _column(name: str, values: Sequence[str], role: str | None) -> Column:
    counts = Counter(values)
    return Column(name, len(counts), tuple(value for value, _ in counts.most_common(_EXAMPLES)), role)


def _key(name: str) -> str:
    """A file's name without folders, in one Unicode form and case, a number without the zeros before it."""
    last = unicodedata.normalize("NFC", PurePosixPath(name.replace("\\", "/")).name).casefold()
    return last.lstrip("0") or "0" if last.isdecimal() else last


def _matches(values: Sequence[str], images: Sequence[PurePosixPath]) -> dict[str, PurePosixPath]:
    """The image that each value names, where it names one only, or several files of one stem in one folder."""
    by_name: dict[str, set[PurePosixPath]] = defaultdict(set)
    for image in images:
        by_name[_key(image.name)].add(image)
        by_name[_key(image.stem)].add(image)
    found = {}
    for value in values:
        candidates = by_name.get(_key(value), set()) if value else set()
        if len(candidates) > 1:  # the same name in several folders: the value must name the folder
            wanted = value.replace("\\", "/").strip("/").casefold()
            candidates = {
                image
                for image in candidates
                if f"/{image.as_posix()}".casefold().endswith((f"/{wanted}", f"/{wanted}{image.suffix.casefold()}"))
            }
        if len({(image.parent, image.stem.casefold()) for image in candidates}) == 1:  # `1.bmp` and `1.png` are too
            found[value] = min(candidates)
    return found


def _several(matches: Mapping[str, PurePosixPath], images: Sequence[PurePosixPath]) -> str | None:
    """A name without a suffix that fits two files, an image and its mask perhaps, as a sentence."""
    files: dict[PurePosixPath, list[str]] = defaultdict(list)
    for image in images:
        files[image.with_suffix("")].append(image.name)
    for value, image in matches.items():
        if len(found := files[image.with_suffix("")]) > 1 and _key(value) == _key(image.stem):
            return f"'{value}' fits {' and '.join(sorted(found))}: which is the image, and which its mask?"
    return None


def _folder(matches: Mapping[str, PurePosixPath], images: Sequence[PurePosixPath]) -> str:
    """The folder that the values are paths below: the one below which most of them are written as they should."""
    parents = {image.parent for image in matches.values()}
    common = next(iter(parents))
    while not all(parent.is_relative_to(common) for parent in parents):
        common = common.parent
    best, most = common, -1
    for folder in (common, *common.parents):
        below = {value for value, image in matches.items() if image.is_relative_to(folder)}
        exact = sum(
            value
            in (
                matches[value].relative_to(folder).as_posix(),
                matches[value].relative_to(folder).with_suffix("").as_posix(),
            )
            for value in below
        )
        if exact > most:
            best, most = folder, exact
    return best.as_posix()


def _other_roles(values: Mapping[str, Sequence[str]], images: Sequence[PurePosixPath]) -> dict[str, str]:
    """The roles of the columns beside that of the images."""
    roles: dict[str, str] = {}

    def give(role: str, column: str | None) -> None:
        if column is not None:
            roles[column] = role

    def free(words: Sequence[str]) -> list[str]:
        named = [(place, name) for name in values if name not in roles for place in [_named(name, words)] if place >= 0]
        return [name for _, name in sorted(named)]

    give("mask", next((name for name in free(_MASK) if len(_matches(values[name], images)) > 0), None))
    give("split", next((name for name in free(_SPLIT) if all(map(split_of, values[name]))), None))
    repeated = [name for name in free(_GROUP) if all(values[name]) and 1 < len(set(values[name])) < len(values[name])]
    give("group", next(iter(repeated), None))
    labels = [name for name in free(_LABEL) if _is_label(values[name])]
    if not labels:
        labels = [name for name in values if name not in roles and _is_label(values[name]) and _named(name, _GROUP) < 0]
        labels = labels if len(labels) == 1 else []
    give("label", next(iter(labels), None))
    if "label" in roles.values():
        for name in values:
            if name not in roles and _is_attribute(name, values[name]):
                roles[name] = "attribute"
    return roles


def _is_attribute(name: str, values: Sequence[str]) -> bool:
    """Whether a column may be an attribute: few values which come again and again, or a known name."""
    known = [value for value in values if value]
    distinct = len(set(known))
    if distinct < 2 or len(known) * 2 < len(values):
        return False
    if _named(name, _ATTRIBUTE) >= 0:
        return distinct <= MOST_CLASSES or all(number_of(value) is not None for value in known)
    return distinct <= min(_MOST_ATTRIBUTES, len(known) // 4)


def _is_label(values: Sequence[str]) -> bool:
    return 1 < len(set(values)) <= min(MOST_CLASSES, max(2, len(values) // 2))


def _named(name: str, words: Sequence[str]) -> int:
    """Place in a list of the word that a column's name holds; -1 for none."""
    parts = {*words_of(name), "_".join(words_of(name))}
    return next((place for place, word in enumerate(words) if word in parts), -1)
