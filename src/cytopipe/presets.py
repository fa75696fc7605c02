"""Presets: complete parameter files in workflow/presets/, and how one becomes params.yaml without losing edits."""

from __future__ import annotations

import difflib
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from cytopipe import paths
from cytopipe.errors import CytopipeError
from cytopipe.io.atomic import write_bytes
from cytopipe.params import HUB_WEIGHTS, RANDOM_WEIGHTS, Params, load_params, parse_params

GIT_TIMEOUT_S = 10


def presets(root: Path) -> dict[str, Path]:
    """Name and file of every preset of the project, sorted by name.

    Raises:
        CytopipeError: when `root` is not a project's root.
    """
    if not (root / "dvc.yaml").is_file():
        raise CytopipeError(
            "no cytopipe project here: there is no dvc.yaml",
            where=root.absolute(),
            hint="change to the folder that holds dvc.yaml and params.yaml",
        )
    return {path.stem: path for path in sorted((root / paths.PRESETS).glob("*.yaml"))}


def description(preset: Path) -> str:
    """The first line of the comment that heads a preset; empty where there is none."""
    for line in preset.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            break
        text = line.lstrip("# ").strip()
        if text and not text.startswith("yaml-language-server:"):
            return text
    return ""


def find_preset(root: Path, name: str) -> Path:
    """File of a preset.

    Raises:
        CytopipeError: when there is none of this name, with the nearest name and the list.
    """
    known = presets(root)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        raise CytopipeError(
            f"there is no preset '{name}'{f'; did you mean {near[0]}?' if near else ''}",
            hint=f"presets: {', '.join(known) or 'none'}",
        )
    return known[name]


def write_preset(
    root: Path,
    name: str,
    archive: Path | None = None,
    weights: Path | None = None,
    phantoms: bool = False,
    force: bool = False,
) -> bool:
    """Write params.yaml from a preset, byte for byte but for what `archive`, `weights` and `phantoms` replace.

    Args:
        root: the project's root.
        name: of the preset.
        archive: archive or folder that becomes the source of the preset's datasets, where they have one in common.
        weights: safetensors file that stands for the hub wherever the preset names HUB_WEIGHTS.
        phantoms: draw images in the layouts of the datasets instead of reading any.
        force: overwrite edits that are held nowhere else.

    Returns:
        False when params.yaml had this very content already.

    Raises:
        CytopipeError: no project, unknown preset, no such file, several sources for one archive, a layout without
            phantoms, no pretrained network for the weights, a preset that is not valid, or edits that would be lost.
            params.yaml is untouched then.
    """
    preset = find_preset(root, name)
    content = preset.read_bytes()
    load_params(preset)
    text = content.decode("utf-8")
    if archive is not None:
        text = with_archive(text, _written_path(archive, root, "--archive"), preset)
    if phantoms:
        if archive is not None:
            raise CytopipeError("--archive and --phantoms both name the images", hint="give one of them")
        text = with_phantoms(text, preset)
    if weights is not None:
        text = with_weights(text, _written_path(weights, root, "--weights"), preset)
    parse_params(yaml.safe_load(text), preset)
    content = text.encode("utf-8")
    target = root / paths.PARAMS
    if target.exists():
        if target.read_bytes() == content:
            return False
        if not force and not _is_held_elsewhere(target, root):
            raise CytopipeError(
                "holds edits that no commit and no preset holds",
                where=paths.PARAMS,
                hint="to keep them, commit the file, or make it a preset of your own: cp params.yaml "
                f"{paths.PRESETS}/mine.yaml; to lose them, add --force",
            )
    write_bytes(target, content)
    return True


def with_archive(text: str, archive: str, where: Path) -> str:
    """The text of a preset with `{kind: archive, path: ...}` as the source of its dataset.

    The value is replaced in the text itself: all else, comments and spaces too, stays as it is.

    Raises:
        CytopipeError: when the preset has datasets of several sources.
    """
    datasets = _value(yaml.compose(text), "datasets")
    sources = {yaml.serialize(_value(dataset, "source")) for _, dataset in datasets.value}
    if len(sources) != 1:
        names = ", ".join(key.value for key, _ in datasets.value)
        raise CytopipeError(
            f"--archive can stand for one source; this preset has {len(sources)}: {names}",
            where=where,
            hint="write the preset without --archive, then set datasets.<name>.source: {kind: archive, path: ...}",
        )
    return _with_sources(text, [{"kind": "archive", "path": archive} for _ in datasets.value])


def with_phantoms(text: str, where: Path) -> str:
    """The text of a preset with phantoms in the layout of each dataset as its source: nothing is downloaded.

    Raises:
        CytopipeError: when a dataset's layout has no phantoms.
    """
    from cytopipe.data.adapters.registry import adapter

    sources = []
    for name, dataset in yaml.safe_load(text)["datasets"].items():
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


def _with_sources(text: str, sources: Sequence[Mapping[str, Any]]) -> str:
    """The text with other sources of its datasets, in their order."""
    nodes = [_value(dataset, "source") for _, dataset in _value(yaml.compose(text), "datasets").value]
    for node, source in reversed(list(zip(nodes, sources, strict=True))):
        value = yaml.safe_dump(
            dict(source), default_flow_style=True, sort_keys=False, allow_unicode=True, width=len(str(source)) + 100
        )
        text = text[: node.start_mark.index] + value.strip() + text[_end(node) :]
    return text


def with_weights(text: str, weights: str, where: Path) -> str:
    """The text of a preset with a local file in place of the hub's weights.

    Raises:
        CytopipeError: when there is none.
    """
    found = [
        value
        for section in ("segmenters", "classifiers")
        for _, network in _value(yaml.compose(text), section).value
        for key, value in network.value
        if key.value == "pretrained" and value.value == str(HUB_WEIGHTS)
    ]
    if not found:
        raise CytopipeError(
            f"--weights stands for `pretrained: {HUB_WEIGHTS}`, which this preset has nowhere",
            where=where,
            hint="write the preset without --weights, then set pretrained: to the file's path",
        )
    path = yaml.safe_dump(weights, allow_unicode=True, width=len(weights) + 100).splitlines()[0]
    for value in sorted(found, key=lambda node: -node.start_mark.index):
        text = text[: value.start_mark.index] + path + text[value.end_mark.index :]
    return text


def is_preset(params: Params, preset: Params) -> bool:
    """Whether parameters are those of a preset; the machine, MLflow and where files come from do not count."""
    return _of_the_results(params) == _of_the_results(preset)


def _of_the_results(params: Params) -> dict[str, Any]:
    values = params.model_dump(mode="json", exclude={"runtime", "tracking"})
    for dataset in values["datasets"].values():
        if dataset["source"]["kind"] != "phantom":
            del dataset["source"]
    for network in (*values["segmenters"].values(), *values["classifiers"].values()):
        network["pretrained"] = network["pretrained"] != str(RANDOM_WEIGHTS)
    return values


def _value(mapping: Any, key: str) -> Any:
    return next(value for name, value in mapping.value if name.value == key)


def _end(node: Any) -> int:
    """Index behind a YAML node: the end mark of a block lies behind the comments that follow it."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return node.end_mark.index


def _written_path(given: Path, root: Path, option: str) -> str:
    """How params.yaml names what an option gave: relative to the root inside the project or beside it, else absolute.

    Raises:
        CytopipeError: when there is none, or it is a folder that holds the project.
    """
    path, root = given.expanduser().resolve(), root.resolve()
    if not path.exists():
        raise CytopipeError("no such file or folder", where=given, hint=f"give {option} the path of a file")
    if root.is_relative_to(path):
        raise CytopipeError("this folder holds the project itself", where=given)
    return os.path.relpath(path, root) if path.is_relative_to(root.parent) else path.as_posix()


def _is_held_elsewhere(file: Path, root: Path) -> bool:
    """Whether git's HEAD or a preset has the content of a file, so that nothing is lost with it."""
    content = file.read_bytes()
    return content == _committed(file) or any(content == path.read_bytes() for path in presets(root).values())


def _committed(file: Path) -> bytes | None:
    """The file as git's HEAD would check it out; None outside git, before the first commit, and where it is not in it.

    Not `git diff`, which is silent on files that are marked `skip-worktree`.
    """
    try:
        held = subprocess.run(
            ["git", "cat-file", "--filters", f"HEAD:./{file.name}"],
            cwd=file.parent,
            capture_output=True,
            timeout=GIT_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return held.stdout if held.returncode == 0 else None
