"""Where features are kept outside the outputs, with the time that they took, which no output may hold."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from cytopipe import paths


def cache_of(name: str) -> Path:
    """Folder of the features of one embedding; it holds the latest only."""
    return paths.CACHES / "features" / name


def seconds_of(names: Iterable[str]) -> dict[str, float]:
    """Seconds that the encoder of each embedding took for the images, where it ran on this machine."""
    found = {}
    for name in names:
        for notes in sorted(cache_of(name).glob("*.json")):
            found[name] = float(json.loads(notes.read_text(encoding="utf-8"))["seconds"])
    return found
