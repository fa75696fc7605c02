"""Herlev (smear2005): 917 single cells of Pap smears with masks of nucleus and cytoplasm, seven classes.

Jantzen et al., "Pap-smear benchmark data for pattern classification", NiSIS 2005. A mask `<ID>-d.bmp` is an image in
four colours; what it leaves undefined (grey, 128,128,128) counts as background here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from pydantic import Field

from cytopipe.adapters.base import Adapter, Options, Phantoms, Sample
from cytopipe.adapters.layout import class_folders, list_images, missing_classes
from cytopipe.data.imaging.decode import read_rgb
from cytopipe.data.imaging.masks import BACKGROUND, CYTOPLASM, NUCLEUS, colours_to_palette
from cytopipe.errors import CytopipeError

NORMAL = ("normal_superficiel", "normal_intermediate", "normal_columnar")
ABNORMAL = ("light_dysplastic", "moderate_dysplastic", "severe_dysplastic", "carcinoma_in_situ")
CLASSES = NORMAL + ABNORMAL
_LABELS = {label: label for label in CLASSES} | {"normal_superficial": "normal_superficiel"}
_MEANING = {
    (255, 0, 0): BACKGROUND,
    (128, 128, 128): BACKGROUND,  # undefined
    (0, 0, 128): CYTOPLASM,
    (0, 0, 255): NUCLEUS,
}
_ID = re.compile(r"^(\d+)-\d+-\d+$")


class HerlevOptions(Options):
    """Whether to tell seven classes apart, or normal from abnormal."""

    classes: Literal[7, 2] = Field(7, description="7: as published; 2: normal (the first three) and abnormal")


def _read_mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    if not path.is_file():
        raise CytopipeError("no such mask", where=path, hint="every image <ID>.BMP needs its mask <ID>-d.bmp")
    return colours_to_palette(read_rgb(path)[0], _MEANING, path)


def _samples(raw: Path, options: HerlevOptions) -> Iterator[Sample]:
    folders = class_folders(raw, list_images(raw), _LABELS)
    if fault := missing_classes(folders, CLASSES):
        raise ADAPTER.not_found(raw, fault)
    for found in folders:
        label = found.label if options.classes == 7 else ("normal" if found.label in NORMAL else "abnormal")
        files = {name.lower(): name for name in found.images}
        for name in found.images:
            stem = PurePosixPath(name).stem
            if stem.lower().endswith("-d"):
                continue
            match = _ID.match(stem)
            if not match:
                raise ADAPTER.not_found(raw, f"'{found.folder / name}' is not named after three numbers")
            mask = files.get(f"{stem.lower()}-d.bmp", f"{stem}-d.bmp")
            reader = partial(_read_mask, raw / found.folder / mask)
            yield Sample(stem, raw / found.folder / name, label, match[1], mask=reader)


def _classes(options: HerlevOptions) -> tuple[str, ...]:
    return CLASSES if options.classes == 7 else ("normal", "abnormal")


ADAPTER = Adapter(
    name="herlev",
    title="Herlev Pap smears, smear2005",
    home="http://mde-lab.aegean.gr/index.php/downloads",
    layout="New database pictures/<class>/<ID>.BMP with its mask <ID>-d.bmp",
    group_key="first number of the ID; cells of one group can be of several classes",
    classes=CLASSES,
    normal=(*NORMAL, "normal"),
    options=HerlevOptions,
    order=_classes,
    samples=_samples,
    phantoms=Phantoms("herlev", table="herlev"),
)
