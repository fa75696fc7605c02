"""What people look at: one self-contained page of all results, and a card for every model and dataset."""

from __future__ import annotations

from cytopipe.report.build import Report, build_report

__all__ = ["Report", "build_report"]
