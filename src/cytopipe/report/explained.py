"""The explanations of a classifier, ready to print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from cytopipe import paths
from cytopipe.explain.names import TITLES
from cytopipe.report.pictures import Picture, panel
from cytopipe.report.read import ClassifierResults

Regions = Mapping[str, Mapping[str, float]]  # mean, and perhaps low and high, by region

PIXELS = "share of the pixels"
PANELS = 8  # of a classifier; the folder holds all
REGIONS = ("nucleus", "cytoplasm", "background")


@dataclass(frozen=True)
class Panel:
    """One explained image."""

    id: str
    label: str
    predicted: str
    correct: bool
    probability: float | None
    picture: Picture


@dataclass(frozen=True)
class Explained:
    """Explanations of one classifier.

    Attributes:
        content: what the stage wrote; None where nothing explains it.
        panels: of the images that the page shows.
        hidden: number of images that it does not show.
        shares: by class and column, how much falls on each region; empty without masks.
    """

    content: Mapping[str, Any] | None
    panels: Sequence[Panel]
    hidden: int
    shares: Mapping[str, Mapping[str, Regions]]

    @property
    def methods(self) -> list[str]:
        """As the stage names them."""
        return list(self.content["methods"]) if self.content else []

    @property
    def columns(self) -> list[str]:
        """Of the shares: the methods, and the regions' share of the pixels."""
        return list(dict.fromkeys(name for bars in self.shares.values() for name in bars))


def explained(one: ClassifierResults) -> Explained:
    """What explains a classifier: right and wrong images of every class in turn, as many as the page bears."""
    content = one.explanations
    if not content or not content.get("images"):
        return Explained(content if content and content.get("shares") else None, [], 0, _shares(content or {}))
    folder = paths.Explained(one.name).panels
    chosen = in_turn(content["images"])[:PANELS]
    panels = [
        Panel(
            image["id"],
            image["label"],
            image["predicted"],
            bool(image["correct"]),
            image.get("probability"),
            panel(folder / image["panel"]),
        )
        for image in chosen
    ]
    return Explained(content, panels, len(content["images"]) - len(panels), _shares(content))


def in_turn(images: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Images so that every class, wrong ones first, has its turn before any has another."""
    kinds: dict[tuple[bool, str], list[Mapping[str, Any]]] = {}
    for image in images:
        kinds.setdefault((bool(image["correct"]), image["label"]), []).append(image)
    rounds = zip_longest(*(kinds[kind] for kind in sorted(kinds)))
    return [image for one in rounds for image in one if image is not None]


def method_name(method: str) -> str:
    """A method's name for people."""
    return TITLES.get(method, method.replace("_", " "))


def _shares(content: Mapping[str, Any]) -> dict[str, dict[str, Regions]]:
    areas = content.get("area_shares") or {}
    found: dict[str, dict[str, Regions]] = {}
    for label, methods in (content.get("shares") or {}).items():
        bars = {**{method_name(name): regions for name, regions in methods.items()}, PIXELS: areas.get(label)}
        found[label] = {name: regions for name, regions in bars.items() if regions and _measured(regions)}
    return found


def _measured(regions: Regions) -> bool:
    return all(one and one["mean"] is not None for one in regions.values())
