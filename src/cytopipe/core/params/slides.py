"""Parameters of whole slides that are screened: the file, a cell detector and a classifier of the detected cells."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from cytopipe.core.params.section import Name, Section


class Slide(Section):
    """Detect and classify the cells of one whole slide."""

    path: str = Field(min_length=1, description="the slide: its file, or the folder of an OME-Zarr")
    detector: str = Field(
        pattern=r"^(segmenters|classifiers)/[a-z0-9][a-z0-9_-]*$",
        description="segmenters/NAME, or classifiers/NAME of a patch classifier with a class `cell`",
    )
    arguments: dict[str, Any] = Field(default_factory=dict, description="arguments of the detector: scale, thresholds")
    classifier: Name = Field(description="classifier of the detected cells")
    mpp: float | None = Field(
        None,
        gt=0,
        le=1000,
        allow_inf_nan=False,
        description="micrometres of a pixel of the detector's training images; none: as the model says",
    )
    pixel_size_um: float | None = Field(
        None,
        gt=0,
        le=1000,
        allow_inf_nan=False,
        description="micrometres of a pixel of the slide's full resolution; none: as the slide says",
    )
    tile: int = Field(2048, ge=256, le=16384, description="side of the tiles that it is screened by, pixels")
    margin: float = Field(
        0.05, ge=0, le=1, description="margin around a detected cell's box, fraction of its longer side"
    )
    edge: bool = Field(True, description="keep cells that the edge of the slide cuts")

    @property
    def section(self) -> str:
        """Section of params.yaml with the detector's model: segmenters or classifiers."""
        return self.detector.partition("/")[0]

    @property
    def model(self) -> str:
        """Name of the detector's model."""
        return self.detector.partition("/")[2]
