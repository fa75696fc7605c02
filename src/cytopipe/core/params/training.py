"""Parameters of a training, shared by segmenters and classifiers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from cytopipe.core.params.section import Section, later_key

ON_HOST = ("blur", "noise", "jpeg", "palette", "neighbours")  # changes that `augment_on: device` does not make


class Augmentation(Section):
    """Random augmentation of training images; 0 or false switches a transformation off."""

    flips: bool | Literal["mirror"] = Field(
        False,
        description="true: all eight rotations and reflections; mirror: left-right and up-down flips only",
    )
    rotation: float = Field(0, ge=0, le=180, description="largest angle in degrees, in both directions")
    zoom: float = Field(0, ge=0, lt=1, description="0.1 scales by 0.9 to 1.1")
    shift: float = Field(0, ge=0, lt=1, description="largest shift, fraction of the side")
    shear: float = Field(0, ge=0, lt=90, description="largest angle in degrees, in both directions")
    brightness: float = Field(0, ge=0, le=1)
    contrast: float = Field(0, ge=0, le=1)
    saturation: float = Field(0, ge=0, le=1)
    hue: float = Field(0, ge=0, le=0.5)
    blur: float = Field(0, ge=0, le=1, description="probability of a Gaussian blur")
    blur_kernel: int = Field(3, ge=3, le=63, description="largest kernel size of the blur in pixels, odd")
    noise: float = Field(0, ge=0, le=0.5, description="standard deviation, fraction of the full scale")
    foreign: float = later_key(
        1,
        ge=0,
        le=1,
        description="share of the images that look as if from elsewhere: scale to neighbours change these alone",
    )
    scale: float = later_key(1, ge=1, le=4, description="2 scales both sides by 1/2 to 2, evenly by the logarithm")
    grey: float = later_key(0, ge=0, le=1, description="probability of taking the colour away")
    gamma: float = later_key(0, ge=0, le=2, description="0.7 raises values on the 0-1 scale to exp(-0.7) to exp(0.7)")
    hed: float = later_key(
        0,
        ge=0,
        le=1,
        description="0.2 scales each of haematoxylin, eosin and DAB by 0.8 to 1.2, and adds up to 0.2",
    )
    jpeg: float = later_key(0, ge=0, le=1, description="probability of JPEG compression, quality 20 to 90")
    palette: float = later_key(
        0,
        ge=0,
        le=1,
        description="segmenters: probability of another colour for background, cytoplasm and nucleus each",
    )
    neighbours: float = later_key(
        0,
        ge=0,
        le=1,
        description="segmenters: probability of red cells, painted on the background",
    )
    mixup: float = Field(
        0, ge=0, le=10, description="classifiers: alpha of the beta distribution of the mixing weights"
    )
    cutmix: float = Field(0, ge=0, le=10, description="classifiers: alpha of the beta distribution of the areas")
    mosaic: float = Field(0, ge=0, le=1, description="classifiers: probability of combining four images into one")

    @model_validator(mode="after")
    def _kernels_are_odd(self) -> Augmentation:
        if self.blur_kernel % 2 == 0:
            raise PydanticCustomError("blur_kernel", "blur_kernel must be odd")
        return self


class Plateau(Section):
    """Options of `scheduler: plateau`, which lowers the learning rate when the validation loss stops falling."""

    factor: float = Field(0.5, gt=0, lt=1)
    patience: int = Field(2, ge=0, description="epochs")
    threshold: float = Field(1e-4, ge=0, lt=1, description="smallest relative decrease that counts")


class AllWeights(Section):
    """Every weight is trained."""

    kind: Literal["all"]


class LastBlocks(Section):
    """The last blocks of the backbone are trained, with the head and what is built on the backbone."""

    kind: Literal["last_blocks"]
    blocks: int = Field(1, ge=1, le=1000, description="number of blocks, counted from the head")


class Lora(Section):
    """Low-rank changes of the backbone's weights are trained, with the head and what is built on the backbone."""

    kind: Literal["lora"]
    rank: int = Field(8, ge=1, le=1024, description="rank of a change")
    alpha: float = Field(16, gt=0, le=10_000, description="a change is scaled by alpha / rank")


FineTune = Annotated[AllWeights | LastBlocks | Lora, Field(discriminator="kind")]


class Ema(Section):
    """Exponential moving average of the weights after every step; it is validated and saved in their place."""

    decay: float = Field(0.999, ge=0, lt=1, description="weight of the average so far")
    warmup: bool = Field(
        True, description="a smaller decay at first, 1 - (1 + step)^(-2/3), so that few steps forget the first weights"
    )


class SelfSupervised(Section):
    """Pretraining of the backbone on the training images without their labels, before the training."""

    method: Literal["simsiam", "vicreg"] = Field(
        "simsiam", description="both bring two random views of an image to the same features"
    )
    epochs: int = Field(ge=1, le=100_000)
    batch_size: int = Field(64, ge=2, le=65_536)
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0, le=10)
    weight_decay: float = Field(1e-4, ge=0, le=1)
    augment: Augmentation = Field(
        Augmentation(
            flips=True,
            rotation=20,
            zoom=0.3,
            shift=0.1,
            brightness=0.3,
            contrast=0.3,
            saturation=0.3,
            hue=0.05,
            blur=0.3,
        ),
        description="how two views of an image differ",
    )

    @model_validator(mode="after")
    def _views_differ(self) -> SelfSupervised:
        mixed = [name for name in ("mixup", "cutmix", "mosaic") if getattr(self.augment, name)]
        if mixed:
            raise PydanticCustomError("views", "{what} mixes images; a view is of one", {"what": mixed[0]})
        for name in ("palette", "neighbours"):
            if getattr(self.augment, name):
                raise PydanticCustomError("views", "{what} is for segmenters, not for classifiers", {"what": name})
        changes = self.augment.model_dump(exclude={"blur_kernel", "foreign"})
        if not any(changes.values()):
            raise PydanticCustomError("views", "without augmentation the two views of an image are equal")
        return self


class Training(Section):
    """Hyperparameters of a training."""

    epochs: int = Field(ge=1, le=100_000)
    batch_size: int = Field(ge=1, le=65_536)
    steps_per_epoch: int = Field(0, ge=0, description="batches per epoch; 0: every image once")
    loss: Literal["ce", "bce", "smooth_l1", "focal"] = Field("ce", description="loss of classifiers")
    focal_gamma: float = Field(2.0, ge=0, le=10)
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0, le=10)
    weight_decay: float = Field(1e-4, ge=0, le=1)
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of sgd")
    scheduler: Literal["none", "cosine", "plateau"] = "cosine"
    plateau: Plateau = Plateau()
    warmup_epochs: int = Field(0, ge=0)
    early_stopping: int = Field(0, ge=0, description="epochs without improvement before stopping; 0: never stop early")
    class_weights: Literal["none", "balanced"] = "none"
    label_smoothing: float = Field(0, ge=0, lt=1)
    gradient_clip: float = Field(0, ge=0, description="largest norm of the gradient; 0: no clipping")
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = Field(0, ge=0)
    fine_tune: FineTune | None = later_key(None, description="which weights are trained; none: all")
    layer_decay: float = later_key(
        1,
        gt=0,
        le=1,
        description="factor of the learning rate from each block of the backbone to the one before it; below 1, norms "
        "and biases have no weight decay",
    )
    ema: Ema | None = later_key(None, description="average the weights over the steps; none: do not")
    self_supervised: SelfSupervised | None = later_key(
        None,
        description="classifiers: pretraining on the training images without labels; none: do not",
    )
    compile: bool = Field(
        False, description="compile the network's training steps by torch.compile; needs a C++ compiler, changes bytes"
    )
    augment_on: Literal["host", "device"] = Field(
        "host", description="host: loader processes augment; device: the device of the network does, which suits GPUs"
    )
    augment: Augmentation = Augmentation()

    @model_validator(mode="after")
    def _the_device_makes_only_some_changes(self) -> Training:
        used = [name for name in ON_HOST if getattr(self.augment, name)]
        if self.augment_on == "device" and used:
            raise PydanticCustomError("augment_on", "{what} needs augment_on: host", {"what": used[0]})
        return self

    @model_validator(mode="after")
    def _plateau_has_no_warmup(self) -> Training:
        if self.scheduler == "plateau" and self.warmup_epochs:
            raise PydanticCustomError("warmup", "warmup_epochs needs scheduler: cosine or none")
        return self


class Normalisation(Section):
    """Mean and standard deviation of the colour channels, on the 0-1 scale, instead of those of timm's weights."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
