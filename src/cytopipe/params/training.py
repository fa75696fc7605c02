"""Parameters of a training: the recipe that segmenters and classifiers share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from cytopipe.params.section import Section


class Augmentation(Section):
    """Random changes of training images. 0 or false switches a change off."""

    flips: bool | Literal["mirror"] = Field(
        False, description="true: all eight orientations; mirror: left-right and upside down, each half of the time"
    )
    rotation: float = Field(0, ge=0, le=180, description="degrees, both ways")
    zoom: float = Field(0, ge=0, lt=1, description="0.1 scales by 0.9 to 1.1")
    shift: float = Field(0, ge=0, lt=1, description="fraction of the side")
    shear: float = Field(0, ge=0, lt=90, description="degrees, both ways")
    brightness: float = Field(0, ge=0, le=1)
    contrast: float = Field(0, ge=0, le=1)
    saturation: float = Field(0, ge=0, le=1)
    hue: float = Field(0, ge=0, le=0.5)
    blur: float = Field(0, ge=0, le=1, description="probability of a Gaussian blur")
    blur_kernel: int = Field(3, ge=3, le=63, description="largest kernel of the blur in pixels, odd")
    noise: float = Field(0, ge=0, le=0.5, description="standard deviation, of full scale")
    mixup: float = Field(0, ge=0, le=10, description="classifiers: alpha of the beta distribution of the shares")
    cutmix: float = Field(0, ge=0, le=10, description="classifiers: alpha of the beta distribution of the areas")
    mosaic: float = Field(0, ge=0, le=1, description="classifiers: probability that four images make one")

    @model_validator(mode="after")
    def _kernels_are_odd(self) -> Augmentation:
        if self.blur_kernel % 2 == 0:
            raise PydanticCustomError("blur_kernel", "blur_kernel must be odd")
        return self


class Plateau(Section):
    """When `scheduler: plateau` lowers the learning rate: the validation loss no longer falls."""

    factor: float = Field(0.5, gt=0, lt=1)
    patience: int = Field(2, ge=0, description="epochs")
    threshold: float = Field(1e-4, ge=0, lt=1, description="relative fall that counts")


class Training(Section):
    """The recipe of one training, for segmenters and classifiers alike."""

    epochs: int = Field(ge=1, le=100_000)
    batch_size: int = Field(ge=1, le=65_536)
    steps_per_epoch: int = Field(0, ge=0, description="batches an epoch; 0: all images once")
    loss: Literal["ce", "bce", "smooth_l1", "focal"] = Field("ce", description="of classifiers")
    focal_gamma: float = Field(2.0, ge=0, le=10)
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0, le=10)
    weight_decay: float = Field(1e-4, ge=0, le=1)
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd")
    scheduler: Literal["none", "cosine", "plateau"] = "cosine"
    plateau: Plateau = Plateau()
    warmup_epochs: int = Field(0, ge=0)
    early_stopping: int = Field(0, ge=0, description="epochs without a better one; 0: never")
    class_weights: Literal["none", "balanced"] = "none"
    label_smoothing: float = Field(0, ge=0, lt=1)
    gradient_clip: float = Field(0, ge=0, description="largest norm of the gradient; 0 leaves it")
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = Field(0, ge=0)
    augment: Augmentation = Augmentation()

    @model_validator(mode="after")
    def _plateau_has_no_warmup(self) -> Training:
        if self.scheduler == "plateau" and self.warmup_epochs:
            raise PydanticCustomError("warmup", "warmup_epochs needs scheduler: cosine or none")
        return self


class Normalisation(Section):
    """Of the three colour channels, on the 0-1 scale, where it is not that of timm's weights."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
