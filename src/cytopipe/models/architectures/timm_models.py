"""Models of timm: all of them as classifiers, those with feature maps as encoders.

Wightman 2019, "PyTorch Image Models", doi:10.5281/zenodo.4414861. The paper of each model is cited in its timm file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import PositiveInt
from torch import Tensor, nn

from cytopipe.errors import CytopipeError
from cytopipe.models.registry import TIMM, Probability, nearest, register
from cytopipe.models.without_compiler import timm


@register(TIMM, task="classification", paper="Wightman 2019 (timm, doi:10.5281/zenodo.4414861)", input_size=224)
def timm_classifier(
    model: str,
    num_classes: PositiveInt,
    in_channels: PositiveInt = 3,
    dropout: Probability = 0.0,
    img_size: PositiveInt | None = None,
) -> nn.Module:
    """Any classification model of timm, by its name there.

    Args:
        model: timm's name, with or without a tag ("resnet18", "resnet18.a1_in1k").
        num_classes: number of logits.
        in_channels: channels of the image.
        dropout: dropout probability before the last linear layer.
        img_size: side of the images, pixels, for models that are built for one size; None for timm's own. Training sets
            it where the images need it.

    Returns:
        A module from N x in_channels x H x W to logits N x num_classes.

    Raises:
        CytopipeError: there is no such model, or it cannot be built with these arguments.
    """
    size = {} if img_size is None else {"img_size": img_size}
    return create_timm(model, num_classes=num_classes, in_chans=in_channels, drop_rate=dropout, **size)


class TimmBackbone(nn.Module):
    """A classifier around one timm model; the base of networks that change how it is trained or add to it.

    Args:
        name: timm's name.
        options: options of `create_timm`.
    """

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__()
        self.backbone: Any = create_timm(name, **options)

    @property
    def timm_backbone(self) -> nn.Module:
        """The submodule that takes pretrained weights."""
        backbone: nn.Module = self.backbone
        return backbone

    @property
    def classifier_head(self) -> nn.Module:
        """The submodule that maps pooled features to logits."""
        head: nn.Module = self.backbone.get_classifier()
        return head

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x num_classes for images N x in_channels x H x W."""
        logits: Tensor = self.backbone(images)
        return logits


def create_timm(name: str, **options: Any) -> nn.Module:
    """Call `timm.create_model` without pretrained weights, for timm's own models only.

    Raises:
        CytopipeError: there is no such model, or it cannot be built with these options.
    """
    # is_model also rejects "hf-hub:..." and "local-dir:...", which would fetch a model from elsewhere.
    if not timm.is_model(name):
        raise CytopipeError(f"timm has no model '{name}'", hint=nearest(name, timm.list_models()))
    try:
        return timm.create_model(name, pretrained=False, **options)
    except (AssertionError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        asked = ", ".join(f"{key}={value}" for key, value in options.items())
        raise CytopipeError(f"timm cannot build it with {asked}: {error}", where=name) from error


def feature_encoder(name: str, in_channels: int, strides: Sequence[int] | None = None) -> tuple[nn.Module, list[int]]:
    """Build a timm model without its head that returns feature maps; call it through `feature_maps`.

    Args:
        name: timm's name.
        in_channels: channels of the image.
        strides: strides of the feature maps to return, input pixels per output pixel; None returns all maps.

    Returns:
        The encoder, and the number of channels of each map.

    Raises:
        CytopipeError: there is no such model, or it lacks one of the strides.
    """
    encoder: Any = create_timm(name, features_only=True, in_chans=in_channels)
    has = list(encoder.feature_info.reduction())
    if strides is not None and has != list(strides):
        if len(set(has)) < len(has) or not set(strides) <= set(has):
            raise CytopipeError(
                f"its feature maps have strides {has}, not {list(strides)}",
                where=name,
                hint="choose a hierarchical model, such as convnext_tiny or resnet34",
            )
        indices = [has.index(stride) for stride in strides]
        encoder = create_timm(name, features_only=True, in_chans=in_channels, out_indices=indices)
    return encoder, list(encoder.feature_info.channels())


def feature_maps(encoder: nn.Module, images: Tensor) -> list[Tensor]:
    """Feature maps of images N x C x H x W, each N x C' x H' x W' whatever memory layout the encoder uses."""
    maps: list[Tensor] = encoder(images)
    if getattr(encoder, "output_fmt", "NCHW") == "NHWC":
        return [features.permute(0, 3, 1, 2) for features in maps]
    return maps
