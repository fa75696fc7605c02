"""NLM malaria: 27,558 red blood cells of thin smears, with Plasmodium falciparum or without.

Rajaraman et al., "Pre-trained convolutional neural networks as feature extractors toward improved malaria parasite
detection in thin blood smear images", PeerJ 6:e4568, 2018. A file's name begins with its slide: `C100P61ThinF_IMG_...`.
There are 201 slides of 200 patients: patient C47P8 was photographed with two cameras.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field

from cytopipe.adapters.base import Adapter, Options, Phantoms, Sample
from cytopipe.adapters.layout import class_folders, images_of, list_paths, missing_classes
from cytopipe.errors import CytopipeError

CLASSES = ("Uninfected", "Parasitized")
_LABELS = {label.lower(): label for label in CLASSES}
_MAPPING = "patientid_cellmapping_{}.csv"
_SLIDE = re.compile(r"^(.+?)_IMG", re.IGNORECASE)
_FILE = re.compile(r"[\w.-]+\.png", re.IGNORECASE)
_PATIENT = re.compile(r"^(C\d+)", re.IGNORECASE)


class MalariaOptions(Options):
    """How groups are made."""

    group: Literal["auto", "slide", "patient"] = Field(
        "auto",
        description="auto: by the publisher's patientid_cellmapping_*.csv where both are there, else slide; slide: the "
        "name before _IMG; patient: the number that the name begins with, which joins the two slides of C47P8",
    )


def _samples(raw: Path, options: MalariaOptions) -> Iterator[Sample]:
    paths = list_paths(raw)
    folders = class_folders(raw, images_of(paths), _LABELS)
    if fault := missing_classes(folders, CLASSES):
        raise ADAPTER.not_found(raw, fault)
    patients = _read_mappings(raw, paths) if folders and options.group == "auto" else {}
    for found in folders:
        for name in found.images:
            path = found.folder / name
            if not patients:
                group = _named_group(raw, path, _PATIENT if options.group == "patient" else _SLIDE)
            elif name in patients:
                group = patients[name]
            else:
                raise CytopipeError(
                    f"the image {path} stands in neither {_MAPPING.format('*')}",
                    where=raw,
                    hint="get these files anew, or set options.group: slide, which does without them",
                )
            yield Sample(path.stem, raw / path, found.label, group)


def _named_group(raw: Path, path: PurePosixPath, pattern: re.Pattern[str]) -> str:
    match = pattern.match(path.name)
    if not match:
        raise ADAPTER.not_found(raw, f"the name of {path} does not begin with its slide")
    return match[1]


def _read_mappings(raw: Path, paths: Sequence[PurePosixPath]) -> dict[str, str]:
    """Patient of each file, from the publisher's two tables, which have no headers; empty without these tables."""
    names = {_MAPPING.format(label.lower()) for label in CLASSES}
    tables = {path.name.lower(): raw / path for path in paths if path.name.lower() in names}
    if missing := sorted(names - set(tables)):
        if not tables:
            return {}
        raise CytopipeError(
            f"no {missing[0]} beside {next(iter(tables))}: groups of the two classes would have different names",
            where=raw,
            hint="add it, or set options.group: slide, which does without both",
        )
    patients: dict[str, str] = {}
    for path in tables.values():
        for line, patient, names_of in _read_mapping(path):
            for name in names_of:
                if patients.setdefault(name, patient) != patient:
                    raise CytopipeError(
                        f"'{name}' is of patient '{patients[name]}' and of '{patient}'", where=f"{path}:{line}"
                    )
    return patients


def _read_mapping(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Line, patient and files of every row: a row names one file, or holds a list of them in Python's syntax."""
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        reader = csv.reader(file)
        for row in reader:
            patient, *rest = (value.strip() for value in row or [""])
            names = _FILE.findall(",".join(rest))
            if not patient and not names:
                continue
            if not patient or not names:
                raise CytopipeError("not a patient's id and files", where=f"{path}:{reader.line_num}")
            yield reader.line_num, patient, names


def _tables(raw: Path, options: MalariaOptions) -> Iterator[Path]:
    if options.group == "auto":
        names = {_MAPPING.format(label.lower()) for label in CLASSES}
        yield from (raw / path for path in list_paths(raw) if path.name.lower() in names)


ADAPTER = Adapter(
    name="malaria",
    title="NLM malaria",
    home="https://lhncbc.nlm.nih.gov/LHC-research/LHC-projects/image-processing/malaria-datasheet.html",
    layout="cell_images/{Parasitized,Uninfected}/C100P61ThinF_IMG_..._cell_1.png, with or without "
    "patientid_cellmapping_{parasitized,uninfected}.csv",
    group_key="options.group: the publisher's patient id, or the slide that a file's name begins with",
    classes=CLASSES,
    normal=("Uninfected",),
    options=MalariaOptions,
    samples=_samples,
    tables=_tables,
    phantoms=Phantoms("malaria", table="malaria"),
)
