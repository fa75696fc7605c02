"""Whether the weights of a checkpoint are those of a network, and which network they fit if none is named."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import torch

from cytopipe.errors import CytopipeError
from cytopipe.models.architectures.timm_models import create_timm
from cytopipe.models.pretrained import IMAGENET, check_fit, shape
from cytopipe.weights.candidates import ALEXNET, CANDIDATES, TORCHVISION
from cytopipe.weights.naming import timm_state
from cytopipe.weights.parts import Part, State

_COUNTER = "num_batches_tracked"  # absent before torch 0.4.1; it changes nothing


@dataclass(frozen=True)
class Fitted:
    """Weights by the keys of the network that they fit.

    Attributes:
        architecture: `timm/NAME` or `torchvision/NAME`.
        state: every tensor of the network, but those of a head that the checkpoint lacks.
        in_channels: channels of the image.
        classes: outputs of the head; None without one.
        mean: of timm's configuration of the network, by colour channel.
        std: standard deviation likewise.
        dropped: keys of the checkpoint that the network has no place for.
    """

    architecture: str
    state: State
    in_channels: int
    classes: int | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    dropped: tuple[str, ...] = field(default=())


def fit(part: Part, architecture: str, where: str, *, keep_head: bool = True, input_size: int | None = None) -> Fitted:
    """The weights of one part of a checkpoint, by the keys of a network.

    Args:
        part: of the checkpoint.
        architecture: `timm/NAME`, NAME, or `torchvision/alexnet`.
        where: name of the checkpoint, for messages.
        keep_head: keep the head, if it is one of this network.
        input_size: side of the images for which the network is built, pixels; positions are resized to it.

    Raises:
        CytopipeError: there is no such network, or a weight is missing, of another shape, or has no place (the message
            names the first).
    """
    name = architecture.removeprefix("timm/")
    model, config = network(name, input_size)
    target: State = dict(model.state_dict())
    state = timm_state(part.state, name, target)
    if "patch_embed.proj.weight" in state and "patch_embed.proj.weight" in target:
        kernels = [one["patch_embed.proj.weight"].shape[2:] for one in (state, target)]
        if kernels[0] == kernels[1]:  # timm would also resize patches
            state = _filtered(state, model, target)
    elif not target.keys() <= state.keys():
        state = _filtered(state, model, target)

    heads = tuple(f"{head}." for head in _names(config.get("classifier")))
    head = {key: tensor for key, tensor in state.items() if key.startswith(heads)}
    wanted = {key: like for key, like in target.items() if not key.startswith(heads)}
    own_head = {key: like for key, like in target.items() if key not in wanted}
    classes = _classes(head, own_head) if keep_head and part.labelled else None
    body = {key: tensor for key, tensor in state.items() if key not in head}
    built = {key.partition(".")[0] for key in wanted}
    kept = {key: tensor for key, tensor in body.items() if key in target or key.partition(".")[0] in built}
    for key, like in target.items():
        if key.endswith(_COUNTER):
            kept.setdefault(key, torch.zeros_like(like, device="cpu"))
    channels = _stem_channels(kept, wanted, config)
    try:
        check_fit(kept, wanted, where)
    except CytopipeError as error:
        raise CytopipeError(f"does not fit {_full(name)}: {error.what}", where=where, hint=_OTHER) from None
    if classes is not None:
        kept |= head
    dropped = (key for key in state if key not in kept)
    mean, std = (tuple(config.get(key, (0.5, 0.5, 0.5))) for key in ("mean", "std"))
    return Fitted(_full(name), kept, channels, classes, mean, std, tuple(dropped))


def guess(part: Part, where: str, *, keep_head: bool = True, input_size: int | None = None) -> Fitted:
    """As `fit`, for the one network among the candidates that the weights fit.

    Raises:
        CytopipeError: they fit none, or several that compute differently.
    """
    names = [name for stem, some in CANDIDATES.items() if stem in part.state for name in some]
    found: list[Fitted] = []
    for name in dict.fromkeys(names):
        try:
            found.append(fit(part, name, where, keep_head=keep_head, input_size=input_size))
        except CytopipeError:
            continue
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(one.architecture for one in found)
        raise CytopipeError(
            f"fits {listed}, which compute differently",
            where=where,
            hint=f"say which it is: --architecture {found[0].architecture}",
        )
    tried = f"fits none of {len(names)} networks whose first layer has the same name"
    raise CytopipeError(tried, where=where, hint=_OTHER)


_OTHER = "name the network it was trained as: --architecture timm/NAME (`timm.list_models()` lists them)"


def network(architecture: str, input_size: int | None = None) -> tuple[Any, dict[str, Any]]:
    """A network without memory for its weights, and timm's configuration of it.

    Args:
        architecture: as for `fit`.
        input_size: as for `fit`.

    Raises:
        CytopipeError: there is no such network, or it takes no such size.
    """
    model: Any
    name = architecture.removeprefix("timm/")
    if name == ALEXNET:
        from cytopipe.models.without_compiler import torchvision

        with torch.device("meta"):
            model = torchvision.models.alexnet()
        return model, {"first_conv": "features.0", "classifier": "classifier.6", **IMAGENET._asdict()}
    size = {} if input_size is None else {"img_size": input_size}
    with torch.device("meta"):
        model = create_timm(name, **size)
    return model, model.pretrained_cfg


def _filtered(state: State, model: Any, target: State) -> State:
    """The state as timm itself prepares checkpoints of this network: names of its authors, sizes of positions."""
    adapt = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    if adapt is None or all(shape(state.get(key)) == shape(like) for key, like in target.items()):
        return state
    try:
        return dict(adapt(dict(state), model))
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
        return state  # the weights of another network


def _classes(head: State, wanted: State) -> int | None:
    """Outputs of a head that is the network's but for their number; None if it is not."""
    rows = {tensor.shape[0] for tensor in head.values() if tensor.ndim}
    same = head.keys() == wanted.keys() and all(head[key].shape[1:] == wanted[key].shape[1:] for key in head)
    return int(rows.pop()) if same and len(rows) == 1 else None


def _stem_channels(state: State, wanted: State, config: dict[str, Any]) -> int:
    """Channels that the first layer takes; the layer's shape in `wanted` is changed to the checkpoint's."""
    key = f"{next(iter(_names(config.get('first_conv'))), '')}.weight"
    given, like = state.get(key), wanted.get(key)
    if given is None or like is None or given.ndim != 4 or like.ndim != 4:
        return 3
    if given.shape[0] == like.shape[0] and given.shape[2:] == like.shape[2:]:
        wanted[key] = given
    return int(given.shape[1])


def _names(value: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _full(name: str) -> str:
    return name if name.startswith(TORCHVISION) else f"timm/{name}"
