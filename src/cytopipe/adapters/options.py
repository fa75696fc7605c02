"""The options that every adapter takes: what pixels mean, how names are spelt, and which labels are corrected."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, FiniteFloat, NonNegativeInt, PositiveFloat, model_validator
from pydantic_core import PydanticCustomError

from cytopipe.core.params import Alpha, Picked, Reading, Section, check_range

Spellings = Literal["error", "merge", "keep"]


def as_tuple(value: Any) -> Any:
    """One name, or a list of them."""
    return (value,) if isinstance(value, str) else value


class Options(Section):
    """An adapter's own parameters, and those that every adapter takes."""

    label_spellings: Spellings = Field(
        "error",
        description="labels that differ only in case, spaces, dashes, width, Unicode form or leading zeros: merge "
        "takes them for one class, keep for several",
    )
    group_spellings: Spellings = Field("error", description="the same for groups, such as the patients P001 and p1")
    attributes: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = Field(
        (), description="columns by whose values results are given too, such as [site, scanner, age]: see subgroups"
    )
    attribute_bins: dict[str, tuple[FiniteFloat, ...]] = Field(
        {}, description="limits between the bins of an attribute of numbers; by default quartiles of training groups"
    )
    attribute_spellings: Spellings = Field("error", description="as label_spellings, for the values of attributes")
    attributes_table: str | None = Field(
        None, description="table of the attributes below the source, where the table of the images has them not"
    )
    attributes_by: str | None = Field(
        None, description="column of attributes_table that names the image or the group; found if it is not given"
    )
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

    @model_validator(mode="after")
    def _attributes_fit(self) -> Options:
        if twice := [name for name, count in Counter(self.attributes).items() if count > 1]:
            raise PydanticCustomError("attributes", f"attributes: '{twice[0]}' stands twice")
        for name, limits in self.attribute_bins.items():
            if name not in self.attributes:
                raise PydanticCustomError("attributes", f"attribute_bins: '{name}' is not in attributes")
            if not limits or list(limits) != sorted(set(limits)):
                raise PydanticCustomError("attributes", f"attribute_bins.{name}: give numbers that ascend")
        if not self.attributes and (self.attributes_table or self.attributes_by):
            raise PydanticCustomError("attributes", "attributes_table: name its columns in attributes")
        return self

    @property
    def reading(self) -> Reading:
        """How the files are read, without the range of deep images."""
        return Reading(alpha=self.alpha, channels=self.channels, page=self.page)
