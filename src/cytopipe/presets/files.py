"""The presets of a project: their names, files and descriptions, and whether parameters are those of a preset."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from cytopipe import paths
from cytopipe.core.params import RANDOM_WEIGHTS, Params
from cytopipe.errors import CytopipeError


def list_presets(root: Path) -> dict[str, Path]:
    """Name and file of every preset of the project, sorted by name.

    Raises:
        CytopipeError: `root` is not the root of a project.
    """
    if not (root / "dvc.yaml").is_file():
        raise CytopipeError(
            "no cytopipe project here: there is no dvc.yaml",
            where=root.absolute(),
            hint="change to the folder that holds dvc.yaml and params.yaml",
        )
    return {path.stem: path for path in sorted((root / paths.PRESETS).glob("*.yaml"))}


def find_preset(root: Path, name: str) -> Path:
    """File of a preset.

    Raises:
        CytopipeError: there is no preset of this name; the message gives the nearest name and the list.
    """
    known = list_presets(root)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        raise CytopipeError(
            f"there is no preset '{name}'{f'; did you mean {near[0]}?' if near else ''}",
            hint=f"presets: {', '.join(known) or 'none'}",
        )
    return known[name]


def description(preset: Path) -> str:
    """First line of the comment at the top of a preset; empty if it has none."""
    for line in preset.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            break
        text = line.lstrip("# ").strip()
        if text and not text.startswith("yaml-language-server:"):
            return text
    return ""


def is_preset(params: Params, preset: Params) -> bool:
    """Whether parameters equal those of a preset, apart from the machine, MLflow, and where files come from."""
    return _relevant(params) == _relevant(preset)


def _relevant(params: Params) -> dict[str, Any]:
    """The parameters that results depend on."""
    values = params.model_dump(mode="json", exclude={"runtime", "tracking"})
    for dataset in values["datasets"].values():
        if dataset["source"]["kind"] != "phantom":
            del dataset["source"]
    for network in (*values["segmenters"].values(), *values["classifiers"].values()):
        network["pretrained"] = network["pretrained"] != str(RANDOM_WEIGHTS)
    return values
