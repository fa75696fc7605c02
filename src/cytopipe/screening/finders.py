"""Which detector goes with a segmenter: what it was trained on decides."""

from __future__ import annotations

from pathlib import Path

from cytopipe.errors import CytopipeError
from cytopipe.models.members import spec_of
from cytopipe.screening.exported_detector import ExportedDetector
from cytopipe.screening.field_detector import FieldDetector
from cytopipe.screening.segmenter_detector import SegmenterDetector

EXPORTED = ("torchscript", "onnx")
Finder = type[ExportedDetector] | type[FieldDetector] | type[SegmenterDetector]


def finder_of(folder: Path) -> Finder:
    """The detector of a segmenter's model folder.

    Raises:
        CytopipeError: the folder is missing, damaged or incomplete.
    """
    if not folder.is_dir():
        raise CytopipeError("there is no such model folder", where=folder, hint="train the model first")
    spec = spec_of(folder)
    if spec.architecture in EXPORTED:
        return ExportedDetector
    return FieldDetector if spec.view is not None and spec.view.view == "fields" else SegmenterDetector
