"""Changes that apply to every classifier: another head, other activations, a frozen backbone.

A classifier is a backbone, from images to features, and a head, from features to logits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, get_args

from torch import Tensor, nn

from cytopipe.core.params import Activation, Head
from cytopipe.errors import CytopipeError
from cytopipe.models.registry import build, find

HIDDEN = 512  # units of the MLP head's hidden layer
DROPOUT = 0.5  # of the MLP head, as in AlexNet
ACTIVATIONS: dict[Activation, type[nn.Module]] = {"relu": nn.ReLU, "mish": nn.Mish}


def build_classifier(
    architecture: str,
    arguments: Mapping[str, Any],
    *,
    head: Head = "own",
    activation: Activation | None = None,
    freeze: bool = False,
) -> nn.Module:
    """Build a network of the registry and apply changes; without changes, the same as `build`.

    Args:
        architecture: name in the registry.
        arguments: arguments of its builder.
        head: "own" keeps the architecture's head; for the others see `replace_head`.
        activation: activation of all layers; None keeps the architecture's own.
        freeze: leave only the head trainable.

    Raises:
        CytopipeError: as for `build`, or the network does not support a change.
    """
    entry = find(architecture)
    if (head != "own" or freeze) and entry.task != "classification":
        raise CytopipeError("it is not a classifier, so it has no head to replace or train alone", where=architecture)
    model = build(architecture, **arguments)
    if head != "own":
        replace_head(model, head, {**entry.defaults, **arguments}["num_classes"])
    if activation is not None:
        replace_activations(model, activation)
    if freeze:
        freeze_backbone(model, head_of(model)[1])
    return model


def head_of(model: nn.Module) -> tuple[str, nn.Module]:
    """Dotted name and module of a classifier's head, the part that maps features to logits.

    This is the model's `classifier_head` property, else timm's `get_classifier()`, else the last linear layer.

    Raises:
        CytopipeError: the model has no head, or several (timm's distilled models).
    """
    head = getattr(model, "classifier_head", None)
    if head is None and callable(classifier := getattr(model, "get_classifier", None)):
        head = classifier()
    if head is None:
        head = next((part for part in reversed(list(model.modules())) if isinstance(part, nn.Linear)), None)
    name = next((name for name, part in model.named_modules() if part is head), "")
    if not isinstance(head, nn.Module) or not name:
        raise CytopipeError(
            "has no single head that could be found", where=type(model).__name__, hint="leave head: own, freeze: false"
        )
    return name, head


def backbone_hash(model: nn.Module) -> str:
    """SHA-256, in hexadecimal, of names and values of all tensors outside the head, wherever they came from.

    Raises:
        CytopipeError: as for `head_of`.
    """
    head, digest = f"{head_of(model)[0]}.", hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if not name.startswith(head):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def inputs_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """Collects the inputs of every call of a module, such as a head, with their gradients."""
    seen = list[Tensor]()
    handle = module.register_forward_pre_hook(lambda _, arguments: seen.extend(arguments))
    try:
        yield seen
    finally:
        handle.remove()


def replace_head(model: nn.Module, kind: Head, num_classes: int, dropout: float = DROPOUT) -> None:
    """Replace the model's head by a new one, which is trainable even if the rest is frozen.

    Args:
        model: changed in place.
        kind: "own" (no change), "linear" (one linear layer), "svm" (the same layer, whose weights come from a linear
            support vector machine) or "mlp" (512 units, ReLU, dropout, linear layer).
        num_classes: number of logits.
        dropout: dropout probability of the MLP.

    Raises:
        CytopipeError: the model's head does not take a flat feature vector.
    """
    if kind == "own":
        return
    name, head = head_of(model)
    first = next((part for part in head.modules() if isinstance(part, nn.Linear | nn.Conv2d)), None)
    if not isinstance(first, nn.Linear):
        raise CytopipeError(
            f"its head {name} does not take a flat feature vector, so no other head fits",
            where=type(model).__name__,
            hint="leave head: own, or choose another architecture",
        )
    features = first.in_features
    if kind == "mlp":
        layers = (nn.Linear(features, HIDDEN), nn.ReLU(), nn.Dropout(dropout), nn.Linear(HIDDEN, num_classes))
        model.set_submodule(name, nn.Sequential(*layers))
    else:
        model.set_submodule(name, nn.Linear(features, num_classes))


@cache
def replaceable_activations() -> tuple[type[nn.Module], ...]:
    """The activation modules of torch and timm, gates (sigmoid, softmax) excepted."""
    from cytopipe.models.without_compiler import timm

    return (
        *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish),
        *(timm.layers.GELU, timm.layers.GELUTanh, timm.layers.QuickGELU, timm.layers.Swish, timm.layers.Mish),
        *(timm.layers.HardMish, timm.layers.HardSwish, timm.layers.PReLU),
    )


def replace_activations(model: nn.Module, kind: Activation) -> None:
    """Replace every activation module; gates (sigmoid, softmax) stay.

    Mish: Misra 2020, "Mish: A Self Regularized Non-Monotonic Activation Function", arXiv:1908.08681.

    Raises:
        CytopipeError: the kind is unknown, or the model has no activation module.
    """
    if kind not in ACTIVATIONS:
        raise CytopipeError(f"there is no activation '{kind}'", hint=f"one of {', '.join(get_args(Activation))}")
    names = [
        name
        for name, part in model.named_modules(remove_duplicate=False)
        if isinstance(part, replaceable_activations())
    ]
    if not names:
        raise CytopipeError(f"has no activation to replace by {kind}", where=type(model).__name__)
    for name in names:
        model.set_submodule(name, ACTIVATIONS[kind]())


def freeze_backbone(model: nn.Module, head: nn.Module) -> None:
    """Freeze all parameters of `model` except those of its submodule `head`."""
    model.requires_grad_(False)
    head.requires_grad_(True)


def train_mode(model: nn.Module) -> None:
    """Like `model.train()`, but frozen modules stay in evaluation mode.

    A module is frozen if it has parameters and none of them is trainable. In training mode, the running statistics of
    its batch normalisation would drift to those of the new images, although its weights cannot adapt to them, and its
    dropout would be active. A model with `statistics_drift = True` reproduces this published defect.
    """
    model.train()
    if getattr(model, "statistics_drift", False):
        return
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()
