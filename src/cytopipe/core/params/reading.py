"""How the values of an image file become 8-bit RGB: the range of deep images, alpha, and which channels or page."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, NonNegativeInt, model_validator
from pydantic_core import PydanticCustomError

from cytopipe.core.params.section import Section

Alpha = Literal["blend", "drop"]
Picked = Annotated[tuple[NonNegativeInt, ...], Field(min_length=1, max_length=3)]
FULL = (0.0, 65_535.0)  # of 16 bits


def check_range(found: tuple[float, float]) -> tuple[float, float]:
    """The range itself.

    Raises:
        PydanticCustomError: the second value is not larger than the first.
    """
    if not found[0] < found[1]:
        raise PydanticCustomError("range", "the second value must be larger than the first")
    return found


class Reading(Section):
    """How image files are read; a model keeps it, so that new images are read like those of its training.

    Attributes:
        range: values of deep images (more than 8 bits) that become 0 and 255; None: none is known, and deep images are
            refused.
        alpha: what becomes of transparency: blended on white, or dropped so that the colours stay.
        channels: one to three channels, counted from 0, that become grey, or red, green and blue.
        page: page of a file with several, counted from 0.
        eight_bit: whether 8-bit images are read as they are beside a range of deep images.
    """

    range: tuple[FiniteFloat, FiniteFloat] | None = None
    alpha: Alpha = "blend"
    channels: Picked | None = None
    page: NonNegativeInt | None = None
    eight_bit: bool = True

    @model_validator(mode="after")
    def _range_ascends(self) -> Reading:
        if self.range is not None:
            check_range(self.range)
        return self
