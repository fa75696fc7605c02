"""Writes phantom smears in the layout of the liquid-based cytology data as published for four Bethesda classes.

Layout of the re-published crops of Hussain et al., "Liquid based-cytology Pap smear dataset for automated
multi-class diagnosis of pre-cancerous and cervical cancer lesions" (Data in Brief 2020):
DB_4/{train,validation}/{1,2,3,4}/<slide> (<picture>).jpg, pictures of 224 x 224.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from cytopipe_phantoms.preparation import prepare
from cytopipe_phantoms.request import Report, check_request, draw_count, read_classes, split_of
from cytopipe_phantoms.smear import fine_scale, take_smear

SLIDES = {"HSIL": "HSIL_{}", "LSIL": "LSIL_{}", "NILM": "NL_{}_", "SCC": "SCC_{}"}  # in the order of folders 1 to 4
QUALITY = 92  # of the JPEG, fixed so that the bytes are


def write_bethesda(
    folder: Path,
    spec: Path,
    *,
    seed: int,
    fields_per_class: int,
    cells_per_field: int,
    scale: float,
    progress: Report | None = None,
) -> None:
    """Fills `folder` with a phantom of DB_4; the same arguments write the same bytes.

    Each picture draws from its own seed (seed, class, slide, picture), so that more slides leave the others as they
    were.

    Args:
        folder: receives DB_4/{train,validation}/{1,2,3,4}/...; made if absent.
        spec: the biology table with the classes HSIL, LSIL, NILM and SCC, see `spec.Phantom`.
        seed: 0 or more.
        fields_per_class: slides of each class, 1 or more.
        cells_per_field: mean number of pictures of a slide, 1 or more; each shows many cells.
        scale: size over the published pictures' 224 pixels; 0.05 to 2.
        progress: called after each slide with the slides done and their total.

    Raises:
        CytopipeError: the table or an argument is not valid.
    """
    check_request(seed=seed, fields_per_class=fields_per_class, cells_per_field=cells_per_field, scale=scale)
    phantom = read_classes(spec, SLIDES)
    fine = fine_scale(phantom, scale)
    total, done = len(SLIDES) * fields_per_class, 0
    for index, (name, label) in enumerate(SLIDES.items()):
        for split in ("train", "validation"):
            (folder / "DB_4" / split / str(index + 1)).mkdir(parents=True, exist_ok=True)
        number = 0
        for slide in range(1, fields_per_class + 1):
            preparation = prepare(phantom.slide, fine, [seed, index, slide])
            spread = phantom.field.cells_spread
            count = draw_count(cells_per_field, spread, np.random.default_rng([seed, index, slide, 10**6]))
            for picture in range(1, count + 1):
                entropy = [seed, index, slide, picture]
                smear = take_smear(phantom, name, preparation, scale=scale, seed=entropy)
                number += 1
                target = folder / "DB_4" / split_of(number) / str(index + 1)
                file = target / f"{label.format(slide)} ({picture}).jpg"
                Image.fromarray(smear.image).save(file, format="JPEG", quality=QUALITY, subsampling=0)
            done += 1
            if progress is not None:
                progress(done, total)
