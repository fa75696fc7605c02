"""An encoder: a network from the registry, of which the input of its head describes an image."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from cytopipe.core.params import Embedding
from cytopipe.errors import CytopipeError
from cytopipe.models.architectures.timm_models import create_timm
from cytopipe.models.determinism import seed_epoch
from cytopipe.models.heads import build_classifier, head_of
from cytopipe.models.image_sizes import size_arguments, takes
from cytopipe.models.pretrained import Normalisation as Colours
from cytopipe.models.registry import count_parameters, find
from cytopipe.models.transfer import load_first_weights
from cytopipe.results import embeddings as results
from cytopipe.results.model_spec import CHANNEL_COUNT, ModelSpec


@dataclass(frozen=True)
class Encoder:
    """A network with an untrained linear head, of which only the input is of interest.

    Attributes:
        model: the network, in evaluation mode, on its device.
        spec: its specification, from which a model folder is written.
        described: what made the features, for probes.json.
    """

    model: nn.Module
    spec: ModelSpec
    described: results.Encoder

    @property
    def head(self) -> nn.Linear:
        """The linear head, from features to logits."""
        head = head_of(self.model)[1]
        assert isinstance(head, nn.Linear)
        return head

    @property
    def dimension(self) -> int:
        """Number of features."""
        return self.head.in_features


def make_encoder(
    config: Embedding, classes: tuple[str, ...], side: int, data_hash: str, device: torch.device, where: str
) -> Encoder:
    """Build an encoder and load its weights.

    Args:
        config: parameters of the embedding.
        classes: names of the dataset's classes.
        side: side of the stored images, pixels.
        data_hash: SHA-256 of the dataset's tensors.
        device: device of the computation.
        where: key of params.yaml, for messages.

    Raises:
        CytopipeError: there is no such architecture, it cannot be built so, it has no single head that takes a flat
            vector of features, it takes no images of this size, or the weights do not fit.
    """
    architecture, arguments = _architecture(config, len(classes), where)
    size = config.input_size or side
    seed_epoch(config.seed, 0)
    model = build_classifier(architecture, arguments, head="linear", freeze=True)
    if more := size_arguments(model, architecture, arguments, size):
        arguments |= more
        seed_epoch(config.seed, 0)
        model = build_classifier(architecture, arguments, head="linear", freeze=True)
    if not takes(model, arguments["in_channels"], size):
        raise CytopipeError(
            f"{config.architecture} takes no images of {size} x {size} px",
            where=where,
            hint="set input_size to a larger size, such as 224: the images are then scaled to it",
        )
    given = Colours(config.normalisation.mean, config.normalisation.std) if config.normalisation else None
    colours = load_first_weights(model, config.pretrained, normalisation=given)
    masks = arguments["in_channels"] - len(colours.mean)
    mean, std = (*colours.mean, *[0.5] * masks), (*colours.std, *[0.5] * masks)
    spec = ModelSpec(
        task="classification",
        architecture=architecture,
        arguments=arguments,
        head="linear",
        freeze=True,
        classes=classes,
        channels="rgb+masks" if masks else "rgb",
        input_size=side,
        network_size=config.input_size,
        mean=mean,
        std=std,
        tta=config.tta,
        training_data_sha256=data_hash,
        precision="fp32",
    )
    described = results.Encoder(
        architecture=config.architecture,
        pretrained=config.pretrained.name if config.pretrained.is_absolute() else config.pretrained.as_posix(),
        weights_sha256=weights_hash(model),
        input_size=size,
        mean=_three(colours.mean),
        std=_three(colours.std),
        tta=config.tta,
        regions=config.regions,
        strides=config.strides if config.regions == "masks" else None,
        seed=config.seed,
        parameters=count_parameters(model) - count_parameters(head_of(model)[1]),
    )
    return Encoder(model.to(device).eval(), spec, described)


def _architecture(config: Embedding, classes: int, where: str) -> tuple[str, dict[str, Any]]:
    """Name in the registry, and arguments of its builder."""
    if config.regions == "whole":
        if find(config.architecture).task != "classification":
            raise CytopipeError("is a segmenter, not an encoder of whole images", where=f"{where}.architecture")
        return config.architecture, {**config.arguments, "num_classes": classes, "in_channels": CHANNEL_COUNT["rgb"]}
    backbone = config.architecture.removeprefix("timm/")
    create_timm(backbone)  # its message names timm, and not the network around it
    arguments = {"backbone": backbone, "strides": list(config.strides), "turns": 1, "hidden": 1}
    return "region_pooling", {**arguments, "num_classes": classes, "in_channels": CHANNEL_COUNT["rgb+masks"]}


def weights_hash(model: nn.Module) -> str:
    """SHA-256 of names and values of all tensors outside the head, wherever they came from."""
    head, digest = f"{head_of(model)[0]}.", hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if not name.startswith(head):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue
