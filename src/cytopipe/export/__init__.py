"""Trained models as ONNX, checked against torch before they are written."""

from __future__ import annotations

from cytopipe.export.export import (
    TIMED,
    TOLERANCE,
    Exported,
    example_paths,
    open_source,
    require_packages,
    time_export,
    to_checked_onnx,
)
from cytopipe.export.parity import Parity
from cytopipe.export.source import Source
from cytopipe.export.timing import Timing

__all__ = [
    "TIMED",
    "TOLERANCE",
    "Exported",
    "Parity",
    "Source",
    "Timing",
    "example_paths",
    "open_source",
    "require_packages",
    "time_export",
    "to_checked_onnx",
]
