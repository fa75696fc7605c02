"""Parameters of the networks: segmenters and classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from cytopipe.params.section import Name, Section
from cytopipe.params.training import Normalisation, Training

Channels = Literal["rgb", "rgb+masks", "masked"]
Head = Literal["own", "linear", "mlp", "svm"]
Activation = Literal["relu", "mish"]


class View(Section):
    """How a segmenter looks at an image: resized to one square, or scaled and covered by a sliding window."""

    view: Literal["whole", "tiles"] = Field(
        "whole", description="whole: images are resized to input_size; tiles: a window slides over the image"
    )
    input_size: int = Field(64, ge=32, le=4096)
    scale: float = Field(1.0, gt=0, le=8, description="of the image before it is tiled")
    overlap: float = Field(0.5, ge=0, lt=1, description="of neighbouring windows")
    tta: Literal[1, 8] = Field(1, description="8: masks are the mean over turned and mirrored images")
    one_cell: bool = Field(False, description="images show one cell: keep the largest that is found")

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """Height and width to which an image of this size is brought before windows are cut."""
        if self.view == "whole":
            return self.input_size, self.input_size
        return max(1, round(height * self.scale)), max(1, round(width * self.scale))


class Segmenter(View):
    """A network that finds cytoplasm and nucleus, and what it is trained on."""

    dataset: Name
    architecture: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    pretrained: bool | Path = Field(False, description="true: timm's hub; or a local .safetensors file")
    normalisation: Normalisation | None = None
    cross_fit: int = Field(0, ge=0, le=50, description="folds; 0 trains one model")
    training: Training | None = None

    @model_validator(mode="after")
    def _keys_agree(self) -> Segmenter:
        if self.cross_fit == 1:
            raise PydanticCustomError("cross_fit", "cross_fit is 0 (off) or at least 2 folds")
        if self.training:
            augment = self.training.augment
            used = [name for name in ("mixup", "cutmix", "mosaic") if getattr(augment, name)]
            if self.training.loss != "ce" or used:
                what = used[0] if used else f"loss: {self.training.loss}"
                raise PydanticCustomError("segmenter", "{what} is for classifiers, not for segmenters", {"what": what})
        return self


class Classifier(Section):
    """A network that names the class of a cell."""

    dataset: Name
    architecture: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    channels: Channels = "rgb+masks"
    pretrained: bool | Path = Field(False, description="true: timm's hub; or a local .safetensors file")
    normalisation: Normalisation | None = None
    input_size: int | None = Field(None, ge=16, le=2048, description="of the network; none: that of the tensors")
    freeze: bool = Field(False, description="train the head alone")
    head: Head = Field("own", description="own: the architecture's")
    activation: Activation | None = Field(None, description="in place of the architecture's")
    tta: Literal[1, 8] = Field(1, description="8: the test averages turned and mirrored images")
    folds: int = Field(0, ge=0, le=50, description="grouped cross-validation over all images; 0: the dataset's split")
    seeds: int = Field(1, ge=1, le=50, description="trainings that differ in the seed alone; their mean and spread")
    refit: bool = Field(
        False, description="then train anew on training and validation images, for all epochs: for small datasets"
    )
    training: Training

    @model_validator(mode="after")
    def _keys_agree(self) -> Classifier:
        if self.refit and (self.head == "svm" or self.training.early_stopping or self.training.scheduler == "plateau"):
            raise PydanticCustomError(
                "refit", "refit leaves no images to choose by: not with head: svm, early_stopping or scheduler: plateau"
            )
        if self.folds == 1:
            raise PydanticCustomError("folds", "folds is 0 (off) or at least 2")
        if self.folds and self.seeds > 1:
            raise PydanticCustomError("seeds", "folds train several networks already: leave seeds at 1")
        if self.head == "svm" and not self.freeze:
            raise PydanticCustomError("svm", "head: svm needs freeze: true, as it is fitted to frozen features")
        return self
