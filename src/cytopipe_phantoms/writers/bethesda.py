"""Writes phantom smears in the layout of the liquid-based cytology data as published for four Bethesda classes.

Layout of the re-published crops of Hussain et al., "Liquid based-cytology Pap smear dataset for automated
multi-class diagnosis of pre-cancerous and cervical cancer lesions" (Data in Brief 2020):
DB_4/{train,validation}/{1,2,3,4}/<slide> (<picture>).jpg, pictures of 224 x 224.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cytopipe_phantoms.preparation import prepare
from cytopipe_phantoms.smear import fine_scale, take_smear
from cytopipe_phantoms.spec import Phantom
from cytopipe_phantoms.writer import SPLIT, File, Request, Unit, Writer, draw_count

SLIDES = {"HSIL": "HSIL_{}", "LSIL": "LSIL_{}", "NILM": "NL_{}_", "SCC": "SCC_{}"}  # in the order of folders 1 to 4


def draw_slide(phantom: Phantom, request: Request, unit: Unit) -> Iterator[File]:
    """The pictures of one slide, each of many cells: DB_4/{train,validation}/{1,2,3,4}/<slide> (<picture>).jpg.

    Each draws from its own seed (seed, class, slide, picture). Full size are the published pictures' 224 pixels.
    """
    seed, slide = [request.seed, unit.index, unit.number + 1], SLIDES[unit.label].format(unit.number + 1)
    preparation = prepare(phantom.slide, fine_scale(phantom, request.scale), seed)
    rng = np.random.default_rng([*seed, 10**6])
    for picture in range(1, draw_count(request.cells_per_field, phantom.field.cells_spread, rng) + 1):
        smear = take_smear(phantom, unit.label, preparation, scale=request.scale, seed=[*seed, picture])
        yield File(f"DB_4/{SPLIT}/{unit.index + 1}/{slide} ({picture}).jpg", smear.image, unit.label)


WRITER = Writer(Phantom, draw_slide, tuple(SLIDES))
