"""Edits in the text of a preset: a value is replaced, and everything else, comments and spaces included, stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import yaml

from cytopipe import paths
from cytopipe.core.params import HUB_WEIGHTS
from cytopipe.core.params.yaml_text import load_yaml
from cytopipe.errors import CytopipeError


def with_archive(text: str, archive: str, where: Path) -> str:
    """The text of a preset with `{kind: archive, path: ...}` as the source of its datasets.

    Raises:
        CytopipeError: the preset's datasets have different sources.
    """
    datasets = items(section(text, "datasets"))
    sources = {yaml.serialize(_value(dataset, "source")) for dataset in datasets.values()}
    if len(sources) != 1:
        raise CytopipeError(
            f"--archive replaces a single source, but this preset has {len(sources)}: {', '.join(datasets)}",
            where=where,
            hint="write the preset without --archive, then set datasets.<name>.source: {kind: archive, path: ...}",
        )
    return _with_sources(text, [{"kind": "archive", "path": archive} for _ in datasets])


def with_key(text: str, dataset: str, key: str, lines: str) -> str:
    """The text of a preset with other lines for one key of a dataset, which replace its value and its comments.

    What stands below the comment `# Further options` stays.

    Args:
        text: of the preset.
        dataset: its name.
        key: one of the dataset's.
        lines: the key with its new value, in YAML, without indentation.
    """
    keys = [node for node, _ in items(section(text, "datasets"))[dataset].value]
    place = next(number for number, node in enumerate(keys) if node.value == key)
    old = text.splitlines(keepends=True)
    start, end = keys[place].start_mark.line, keys[place + 1].start_mark.line
    further = next((line for line in range(start, end) if "# Further options" in old[line]), end)
    indent = " " * keys[place].start_mark.column
    new = [f"{indent}{line}\n" for line in lines.splitlines()]
    return "".join([*old[:start], *new, *old[further:]])


def with_phantoms(text: str, where: Path) -> str:
    """The text of a preset with phantoms in each dataset's layout as its source, so that nothing is downloaded.

    Raises:
        CytopipeError: there are no phantoms in the layout of a dataset.
    """
    from cytopipe.adapters.registry import adapter

    sources = []
    for name, dataset in load_yaml(text)["datasets"].items():
        if dataset["source"]["kind"] == "phantom":
            sources.append(dataset["source"])
            continue
        key = f"{where}: datasets.{name}.adapter"
        phantoms = adapter(dataset["adapter"], key).phantoms
        if phantoms is None:
            raise CytopipeError(f"there are no phantoms in the layout of '{dataset['adapter']}'", where=key)
        request = asdict(phantoms)
        layout, table = request.pop("layout"), paths.PHANTOMS / f"{request.pop('table')}.yaml"
        sources.append({"kind": "phantom", "layout": layout, "path": table.as_posix(), "seed": 0, **request})
    return _with_sources(text, sources)


def with_weights(text: str, weights: str, where: Path) -> str:
    """The text of a preset with a local file in place of the hub's weights.

    Raises:
        CytopipeError: no network of the preset starts from the hub's weights.
    """
    found = [
        value
        for part in ("segmenters", "classifiers")
        for network in items(section(text, part)).values()
        for key, value in items(network).items()
        if key == "pretrained" and value.value == str(HUB_WEIGHTS)
    ]
    if not found:
        raise CytopipeError(
            f"--weights replaces `pretrained: {HUB_WEIGHTS}`, which this preset does not contain",
            where=where,
            hint="write the preset without --weights, then set pretrained: to the file's path",
        )
    path = yaml.safe_dump(weights, allow_unicode=True, width=len(weights) + 100).splitlines()[0]
    for value in sorted(found, key=lambda node: -node.start_mark.index):
        text = text[: value.start_mark.index] + path + text[value.end_mark.index :]
    return text


def _with_sources(text: str, sources: Sequence[Mapping[str, object]]) -> str:
    """The text with these sources of its datasets, in their order."""
    nodes = [_value(dataset, "source") for dataset in items(section(text, "datasets")).values()]
    for node, source in reversed(list(zip(nodes, sources, strict=True))):
        value = yaml.safe_dump(
            dict(source), default_flow_style=True, sort_keys=False, allow_unicode=True, width=len(str(source)) + 100
        )
        text = text[: node.start_mark.index] + value.strip() + text[end(node) :]
    return text


def section(text: str, name: str) -> yaml.Node:
    """The value of a top-level key of a preset that was validated before."""
    document = yaml.compose(text)
    assert document is not None, "the preset was validated before"
    return _value(document, name)


def _value(mapping: yaml.Node, key: str) -> yaml.Node:
    return items(mapping)[key]


def items(mapping: yaml.Node) -> dict[str, yaml.Node]:
    """Keys and values of a YAML mapping, in their order."""
    return {key.value: value for key, value in mapping.value}


def end(node: yaml.Node) -> int:
    """Index behind a YAML node; the end mark of a block node lies behind the comments that follow it."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return int(node.end_mark.index)
