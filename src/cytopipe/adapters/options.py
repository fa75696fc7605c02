"""The options that every adapter takes: what pixels mean, how names are spelt, and which labels are corrected."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveFloat, model_validator

from cytopipe.core.params import Alpha, Picked, Reading, Section, check_range

Spellings = Literal["error", "merge", "keep"]


class Options(Section):
    """An adapter's own parameters, and those that every adapter takes."""

    label_spellings: Spellings = Field(
        "error",
        description="labels that differ only in case, spaces, dashes, width, Unicode form or leading zeros: merge "
        "takes them for one class, keep for several",
    )
    group_spellings: Spellings = Field("error", description="the same for groups, such as the patients P001 and p1")
    range: Literal["auto", "full"] | tuple[FiniteFloat, FiniteFloat] = Field(
        "auto",
        description="values of images with more than 8 bits that become 0 and 255: auto: one range found from all "
        "images; full: 0 to 65535; or [low, high]",
    )
    alpha: Alpha = Field("blend", description="transparency: blend it on white, or drop it and keep the colours")
    channels: Picked | None = Field(
        None, description="one to three channels, counted from 0, that become grey, or red, green and blue"
    )
    page: NonNegativeInt | None = Field(None, description="page of files with several, counted from 0")
    pixel_size_um: PositiveFloat | None = Field(
        None, description="side of a pixel in micrometres, instead of what the files say"
    )
    corrections: Path | None = Field(
        None,
        description="table below workflow/corrections/ that corrects labels of training images or leaves images out",
    )

    @model_validator(mode="after")
    def _range_ascends(self) -> Options:
        if isinstance(self.range, tuple):
            check_range(self.range)
        return self

    @property
    def reading(self) -> Reading:
        """How the files are read, without the range of deep images."""
        return Reading(alpha=self.alpha, channels=self.channels, page=self.page)
