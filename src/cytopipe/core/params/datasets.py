"""Parameters of a dataset: where it comes from, how it is read, split, masked and sized."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from cytopipe.core.params.encodings import Encoding
from cytopipe.core.params.fit import STRETCH, Fit
from cytopipe.core.params.section import Name, Section, later_key

SPLITS = ("train", "val", "test")
DEVELOPMENT = "development"  # as a published split: not a test image; train and val are still to be drawn


class PhantomSource(Section):
    """Synthetic images in the layout of a published dataset.

    The cells of one field form a group, like those of one slide, patient or specimen.
    """

    kind: Literal["phantom"]
    layout: str = Field("sipakmed", description="a module of cytopipe_phantoms.writers")
    path: Path = Field(description="table of the classes' biology; the data is regenerated when it changes")
    seed: int = Field(0, ge=0)
    fields_per_class: int = Field(20, ge=1, le=999)
    cells_per_field: int = Field(9, ge=1, le=1000)
    scale: float = Field(0.25, ge=0.05, le=1.0, description="size of the images; 1.0: that of the published ones")


class ArchiveSource(Section):
    """A zip, tar or 7z archive, or a folder, on this machine."""

    kind: Literal["archive"]
    path: Path
    names: Encoding | None = Field(
        None, description="encoding of the file names in a zip that does not say it: gbk, cp932, cp437, cp850, ..."
    )


class RecipeSource(Section):
    """A download described by a recipe in workflow/sources/ (URL with its sha256, or git commit)."""

    kind: Literal["url", "git"]
    path: Path


Source = Annotated[PhantomSource | ArchiveSource | RecipeSource, Field(discriminator="kind")]


def _texts(value: Any) -> Any:
    """Values as texts, which YAML may have read as numbers; one value is a list of one."""
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(str(one) if isinstance(one, int | float) and not isinstance(one, bool) else one for one in values)


class LeaveOut(Section):
    """The test images: those of one site, or of other values of an attribute."""

    attribute: str = Field(description="one of options.attributes, such as site; or group")
    values: Annotated[tuple[str, ...], BeforeValidator(_texts)] = Field(
        (), description="whose images are the test images; by default the smallest value that has every class"
    )


class Split(Section):
    """How images are split.

    `grouped` keeps every group in one split; `published` uses the publisher's split; `leave_out` tests on the images of
    one site, scanner or the like, and a cross-validation on each of them in turn. It may be written shortly:
    `split: {kind: {leave_out: site}}`.
    """

    kind: Literal["grouped", "random", "published", "leave_out"] = "grouped"
    leave_out: LeaveOut | None = later_key(
        None,
        description="with kind: leave_out, an attribute such as site, or {attribute: site, values: [B]}",
    )
    val: float = Field(0.2, gt=0, lt=1)
    test: float = Field(0.2, gt=0, lt=1)
    seed: int = Field(0, ge=0)
    torn_groups: Literal["error", "report"] = Field(
        "error", description="with kind: published, what to do if the split divides a group or identical images"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, data: Any) -> Any:
        if isinstance(data, dict):
            if isinstance(data.get("kind"), dict) and list(data["kind"]) == ["leave_out"]:
                data = {**data, "kind": "leave_out", "leave_out": data["kind"]["leave_out"]}
            if isinstance(data.get("leave_out"), str):
                data = {**data, "leave_out": {"attribute": data["leave_out"]}}
        return data

    @model_validator(mode="after")
    def _leave_out_is_of_its_kind(self) -> Split:
        if self.kind == "leave_out" and self.leave_out is None:
            raise PydanticCustomError("leave_out", "kind: leave_out needs leave_out, an attribute such as site")
        if self.kind != "leave_out" and self.leave_out is not None:
            raise PydanticCustomError("leave_out", "leave_out needs kind: leave_out")
        return self

    @model_validator(mode="after")
    def _leave_something_to_train_on(self) -> Split:
        if self.val + self.test >= 0.95:
            raise PydanticCustomError("fractions", "val + test leave 5 % or less for training")
        return self


class Dataset(Section):
    """One dataset: where it comes from, how it is read, split, masked and sized.

    All keys are required where an engine runs, because dvc.yaml names each as a parameter of the stages that use it;
    stage scripts alone take a dataset without `fit`.
    """

    model_config = ConfigDict(json_schema_extra=lambda schema: schema["required"].append("fit"))

    adapter: str
    source: Source
    options: dict[str, Any] = Field(description="options of the adapter")
    exclude_classes: tuple[str, ...]
    bad_images: Literal["error", "skip"] = Field(
        description="what to do with images that cannot be decoded, or whose mask is missing or of another size"
    )
    split: Split
    segmenter: Name
    image_size: int = Field(ge=16, le=2048, description="side of the images in the tensors, pixels")
    fit: Fit = Field(
        STRETCH,
        description="how an image becomes a square. stretch: its aspect ratio changes; pad: it keeps its aspect ratio, "
        "and the longer side fits; {kind: scale, ...}: all images at one scale, padded, or cropped to their centre",
    )
