"""Ids of screened cells: the same for the same cell found by the same models with the same options, and no others."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from pathlib import Path

from cytopipe.core.io.hashing import hash_tree
from cytopipe.models.files import model_id
from cytopipe.screening.cells import DetectedCell

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://qupath.github.io/cytopipe/screen")


def screening_of(image: Path, finder: Path, classifier: Path | None, options: Mapping[str, object]) -> str:
    """What the ids of the cells of one screening are derived from: hashes of the image and the models, and the options.

    Args:
        image: file, or folder, of the field.
        finder: model folder of the detector.
        classifier: model folder of the classifier, if there is one.
        options: those of the finder and the screening that can change its cells.

    Raises:
        CytopipeError: a folder is no model folder, or the image cannot be read.
    """
    named = {
        "image": hash_tree(image),
        "finder": model_id(finder),
        "classifier": model_id(classifier) if classifier is not None else None,
        "options": {name: value for name, value in options.items() if value is not None},
    }
    return json.dumps(named, sort_keys=True, default=str)


def cell_id(screening: str, cell: DetectedCell) -> str:
    """The UUID of a cell: of its screening and its outlines, whatever its number is.

    Args:
        screening: as `screening_of` gives it.
        cell: the cell, in pixels of the field.
    """
    digest = hashlib.sha256(screening.encode())
    for outline in (cell.contour, cell.nucleus):
        digest.update(b"|" if outline is None else f"|{outline.astype(int).tolist()}".encode())
    return str(uuid.uuid5(_NAMESPACE, digest.hexdigest()))
