"""DB_4: images of liquid-based cytology in four classes of the Bethesda system.

Hussain et al., "Liquid based-cytology Pap smear dataset for automated multi-class diagnosis of pre-cancerous and
cervical cancer lesions", Data in Brief 30, 105589, 2020: 963 images of 460 patients, which are not named. In DB_4 the
folders of HSIL, LSIL and SCC hold changed copies of one image under one name and several numbers, `HSIL_1 (1).jpg`,
`HSIL_1 (2).jpg`, ...: these are one group. Files of NILM are named in the same way, `NL_10_ (1).jpg`, and grouped so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cytopipe.adapters.base import Adapter, Phantoms, Sample
from cytopipe.adapters.layout import class_folders, list_images, missing_classes
from cytopipe.adapters.train_validation import (
    PUBLISHED_SPLIT,
    ValidationOptions,
    group_by_number,
    train_validation_samples,
)

CLASSES = ("NILM", "LSIL", "HSIL", "SCC")
_LABELS = {label.lower(): label for label in CLASSES} | {
    "1": "HSIL",
    "2": "LSIL",
    "3": "NILM",
    "4": "SCC",
    "high squamous intra-epithelial lesion": "HSIL",
    "low squamous intra-epithelial lesion": "LSIL",
    "negative for intraepithelial malignancy": "NILM",
    "squamous cell carcinoma": "SCC",
}


def _samples(raw: Path, options: ValidationOptions) -> Iterator[Sample]:
    folders = class_folders(raw, list_images(raw), _LABELS)
    if fault := missing_classes(folders, CLASSES):
        raise ADAPTER.not_found(raw, fault)
    yield from train_validation_samples(raw, folders, group_by_number, options.validation)


ADAPTER = Adapter(
    name="bethesda",
    title="liquid-based cytology DB_4",
    home="https://data.mendeley.com/datasets/zddtpgzv63/4",
    layout="DB_4/{train,validation}/{1,2,3,4}/*.jpg: HSIL, LSIL, NILM, SCC; or four folders of these names",
    group_key="the original that images are changed copies of, by the file's name: `HSIL_1 (2).jpg` is of HSIL_1",
    published_split=PUBLISHED_SPLIT,
    classes=CLASSES,
    normal=("NILM",),
    options=ValidationOptions,
    samples=_samples,
    phantoms=Phantoms("bethesda", table="bethesda"),
)
