"""Parameters of a dataset: where it comes from, how it is read, split, masked and sized."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from cytopipe.params.section import Name, Section

SPLITS = ("train", "val", "test")
DEVELOPMENT = "development"  # as an image's published split: not for testing; train and val are yet to be drawn


class PhantomSource(Section):
    """Images that cytopipe draws itself, in the layout of a published dataset.

    A field is what a group of cells shares: a slide, a patient, a specimen.
    """

    kind: Literal["phantom"]
    layout: str = Field("sipakmed", description="a module of cytopipe_phantoms.writers")
    path: Path = Field(description="table of the classes' biology; a change redraws the data")
    seed: int = Field(0, ge=0)
    fields_per_class: int = Field(20, ge=1, le=999)
    cells_per_field: int = Field(9, ge=1, le=1000)
    scale: float = Field(0.25, ge=0.05, le=1.0, description="1.0 draws the size of the published images")


class ArchiveSource(Section):
    """A zip, tar or 7z archive, or a folder, on this machine."""

    kind: Literal["archive"]
    path: Path


class RecipeSource(Section):
    """A download described by a recipe in workflow/sources/ (URL with its sha256, or git commit)."""

    kind: Literal["url", "git"]
    path: Path


Source = Annotated[PhantomSource | ArchiveSource | RecipeSource, Field(discriminator="kind")]


class Split(Section):
    """How images are divided. `grouped` keeps every group on one side; `published` takes the publisher's."""

    kind: Literal["grouped", "random", "published"] = "grouped"
    val: float = Field(0.2, gt=0, lt=1)
    test: float = Field(0.2, gt=0, lt=1)
    seed: int = Field(0, ge=0)
    torn_groups: Literal["error", "report"] = Field(
        "error", description="of kind published: what to do where the publisher's split tears groups or copies"
    )

    @model_validator(mode="after")
    def _leave_something_to_train_on(self) -> Split:
        if self.val + self.test >= 0.95:
            raise PydanticCustomError("fractions", "val + test leave 5 % or less for training")
        return self


class Dataset(Section):
    """One dataset: where it comes from, how it is read, split, masked and sized.

    Every key must be given: dvc.yaml names each as a parameter of the stages that it concerns.
    """

    adapter: str
    source: Source
    options: dict[str, Any] = Field(description="of the adapter")
    exclude_classes: tuple[str, ...]
    bad_images: Literal["error", "skip"] = Field(
        description="what to do with images that cannot be decoded, or have no mask of their size"
    )
    split: Split
    segmenter: Name
    image_size: int = Field(ge=16, le=2048, description="side of the tensors in pixels")
