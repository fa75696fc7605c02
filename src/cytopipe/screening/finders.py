"""Which detector goes with a segmenter: what it was trained on decides."""

from __future__ import annotations

from pathlib import Path

from cytopipe.models.members import spec_of
from cytopipe.screening.field_detector import FieldDetector
from cytopipe.screening.segmenter_detector import SegmenterDetector


def finder_of(folder: Path) -> type[FieldDetector] | type[SegmenterDetector]:
    """The detector of a segmenter's model folder.

    Raises:
        CytopipeError: the folder is damaged or incomplete.
    """
    view = spec_of(folder).view
    return FieldDetector if view is not None and view.view == "fields" else SegmenterDetector
