"""Parameters of an embedding: features of a dataset's images by one encoder, and the probes that are fitted to them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator
from pydantic_core import PydanticCustomError

from cytopipe.core.params.networks import Network
from cytopipe.core.params.training import Normalisation

Probe = Literal["linear", "svm", "knn"]
Regions = Literal["whole", "masks"]


class Embedding(Network):
    """An encoder that is not trained here, the images that it describes, and small classifiers of what it says."""

    normalisation: Normalisation | None = None
    input_size: int | None = Field(
        None, ge=16, le=2048, description="input size of the encoder; none: that of the tensors"
    )
    tta: Literal[1, 8] = Field(1, description="8: features are averaged over the eight rotations and reflections")
    regions: Regions = Field(
        "whole",
        description="whole: the encoder's own features of the image; masks: its feature maps, averaged over image, "
        "nucleus and cytoplasm by the predicted masks",
    )
    strides: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = Field(
        (8, 16), description="with regions: masks, strides of these feature maps, input pixels for one of the map"
    )
    probes: Annotated[tuple[Probe, ...], Field(min_length=1)] = Field(
        ("linear", "svm", "knn"),
        description="classifiers of the features: logistic regression, support vectors with a Gaussian kernel, "
        "nearest neighbours",
    )
    inner_folds: int = Field(
        0,
        ge=0,
        le=50,
        description="0: validation images choose the settings of the probes, which are fitted to training images; "
        "K: K grouped folds of training and validation images choose them, and both are fitted",
    )
    seed: int = Field(0, ge=0, description="of random weights and of the inner folds")

    @model_validator(mode="after")
    def _keys_agree(self) -> Embedding:
        if self.inner_folds == 1:
            raise PydanticCustomError("inner_folds", "inner_folds is 0 (off) or at least 2")
        if len(set(self.probes)) < len(self.probes):
            raise PydanticCustomError("probes", "name each probe once")
        taken = [name for name in ("num_classes", "in_channels") if name in self.arguments]
        if taken:
            text = "arguments.{name} is set by cytopipe; leave it out"
            raise PydanticCustomError("arguments", text, {"name": taken[0]})
        if self.regions == "masks" and self.arguments:
            text = "regions: masks takes feature maps of a plain timm model, so it has no arguments; leave them out"
            raise PydanticCustomError("arguments", text)
        return self
