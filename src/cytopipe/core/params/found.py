"""Networks whose parameters a search finds: `from_search: NAME` is replaced by what the search wrote.

The entry in params.yaml names the search's file as `pretrained`, because dvc.yaml makes what `pretrained` names a
dependency of the training: both engines then run the search first, and train again when its result changes. Until it
has run, the parameters of the base stand in, so that the whole file can be checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cytopipe.core.params.text import read_yaml
from cytopipe.errors import CytopipeError
from cytopipe.search_paths import Searched

SECTIONS = {"classifiers": "classifier", "segmenters": "segmenter"}
PARAMETERS = "parameters"  # key of best.yaml


def with_found(data: Any, where: str | Path, root: Path | None) -> Any:
    """The parameters with every `from_search` resolved.

    Args:
        data: parsed params.yaml, which stays as it is.
        where: for messages.
        root: root of the project, where the results of searches are; None to use the parameters of the bases.

    Raises:
        CytopipeError: there is no such search, or the entry does not name its file as `pretrained`.
    """
    if not isinstance(data, dict):
        return data
    resolved = dict(data)
    for section, kind in SECTIONS.items():
        entries = data.get(section)
        if isinstance(entries, dict):
            resolved[section] = {
                name: _resolve(entry, data, section, kind, f"{where}: {section}.{name}", root)
                if isinstance(entry, dict)
                and isinstance(entry.get("from_search"), str)  # of another type: refused later
                else entry
                for name, entry in entries.items()
            }
    return resolved


def as_named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain parameters in which `pretrained` names the search's file again, as dvc.yaml sees it."""
    named = dict(values)
    for section in SECTIONS:
        named[section] = {
            name: entry | {"pretrained": Searched(entry["from_search"]).best.as_posix()}
            if entry.get("from_search")
            else entry
            for name, entry in values[section].items()
        }
    return named


def _resolve(
    entry: dict[str, Any], data: dict[str, Any], section: str, kind: str, where: str, root: Path | None
) -> dict[str, Any]:
    name = entry["from_search"]
    searches = data.get("searches")
    searches = searches if isinstance(searches, dict) else {}
    search = searches.get(name)
    if not isinstance(search, dict):
        known = ", ".join(map(str, searches)) or "none, add it to `searches:`"
        raise CytopipeError(f"there is no search '{name}'", where=f"{where}.from_search", hint=f"known: {known}")
    of, _, base = str(search.get("base")).partition(".")
    if of != section:
        raise CytopipeError(f"'{name}' is no search of a {kind}", where=f"{where}.from_search", hint="name another one")
    networks = data[section]
    if not isinstance(networks.get(base), dict) or networks[base].get("from_search") is not None:
        raise CytopipeError(
            f"its base '{base}' is not written down in {section}",
            where=f"searches.{name}.base",
            hint=f"name one of {section} that has parameters of its own",
        )
    file = Searched(name).best
    if str(entry.get("pretrained")) != file.as_posix():
        raise CytopipeError(
            f"a {kind} that takes the parameters of a search waits for its file",
            where=f"{where}.pretrained",
            hint=f"write pretrained: {file.as_posix()}; the network starts from the weights that the search names",
        )
    if "dataset" not in entry:
        known = networks[base].get("dataset", "NAME, one of datasets")
        raise CytopipeError("the dataset is missing", where=where, hint=f"write dataset: {known}")
    found = networks[base]
    if root is not None and (root / file).is_file():
        found = read_yaml(root / file).get(PARAMETERS)
        if not isinstance(found, dict):
            raise CytopipeError("no parameters in it", where=file, hint=f"dvc repro --force search@{name}")
    own = {key: value for key, value in entry.items() if key != "pretrained"}
    return _merged(found, own)


def _merged(found: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What was found, and over it what the entry says itself, key by key."""
    merged = dict(found)
    for key, value in own.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
