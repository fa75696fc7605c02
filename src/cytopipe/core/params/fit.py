"""How an image of any shape becomes a square: `fit` of a dataset, which its models keep."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from cytopipe.core.params.section import Section

_FORMS = "stretch, pad, {kind: scale, source_pixels: NUMBER} or {kind: scale, um_per_pixel: NUMBER}"


class Scale(Section):
    """All images at one scale: of what is larger the centre is kept, what is smaller is padded."""

    kind: Literal["scale"]
    source_pixels: float | None = Field(
        None, gt=0, le=1000, allow_inf_nan=False, description="pixels of the image for one of the tensor"
    )
    um_per_pixel: float | None = Field(
        None, gt=0, le=1000, allow_inf_nan=False, description="micrometres for one pixel of the tensor"
    )

    @model_validator(mode="after")
    def _has_one_target(self) -> Scale:
        if (self.source_pixels is None) == (self.um_per_pixel is None):
            raise PydanticCustomError("target", "give one of source_pixels and um_per_pixel")
        return self


def _word_or_mapping(value: Any) -> Any:
    if value == "scale":
        forms = "{kind: scale, source_pixels: 2} or {kind: scale, um_per_pixel: 0.5}"
        raise PydanticCustomError("scale", "scale needs a number: {forms}", {"forms": forms})
    if not isinstance(value, dict | Scale) and value not in ("stretch", "pad"):
        raise PydanticCustomError("fit", "should be {forms}", {"forms": _FORMS})
    return value


def _form(value: Any) -> str:
    return "word" if isinstance(value, str) else "scale"


Fit = Annotated[
    Annotated[Literal["stretch", "pad"], Tag("word")] | Annotated[Scale, Tag("scale")],
    Discriminator(_form),
    BeforeValidator(_word_or_mapping),
]
STRETCH: Literal["stretch"] = "stretch"


def plain_fit(fit: Fit) -> str | dict[str, Any]:
    """The fit as in params.yaml: a word, or a mapping without the keys that are not set."""
    return fit if isinstance(fit, str) else fit.model_dump(exclude_none=True)
