"""The explanations of a classifier, prepared for the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from cytopipe import paths
from cytopipe.explain.names import TITLES
from cytopipe.report.pictures import Picture, panel
from cytopipe.report.read import ClassifierResults
from cytopipe.results.explanations import ExplainedImage, ExplanationDetails, Regions

PIXELS = "share of the pixels"
PANELS = 8  # shown for each classifier; the folder has all
REGIONS = ("nucleus", "cytoplasm", "background")


@dataclass(frozen=True)
class Panel:
    """One explained image."""

    id: str
    label: str
    predicted: str
    correct: bool
    probability: float
    picture: Picture


@dataclass(frozen=True)
class Explained:
    """Explanations of one classifier.

    Attributes:
        content: results of the stage; None if no image was explained.
        panels: the explained images that the page shows.
        hidden: number of explained images that it does not show.
        shares: share of the attribution in each region, by class and column; empty without masks.
    """

    content: ExplanationDetails | None
    panels: Sequence[Panel]
    hidden: int
    shares: Mapping[str, Mapping[str, Regions]]

    @property
    def methods(self) -> list[str]:
        """Keys of the methods."""
        return list(self.content.methods) if self.content else []

    @property
    def columns(self) -> list[str]:
        """Columns of the table of shares: the methods, and the regions' share of the pixels."""
        return list(dict.fromkeys(name for bars in self.shares.values() for name in bars))


def explained(one: ClassifierResults) -> Explained:
    """The explanations of a classifier, with up to PANELS images, wrong and right, of every class in turn."""
    content = one.explanations
    if content is None or not content.images:
        return Explained(content if content and content.shares else None, [], 0, _shares(content) if content else {})
    folder = paths.Explained(one.name).panels
    panels = [
        Panel(image.id, image.label, image.predicted, image.correct, image.probability, panel(folder / image.panel))
        for image in in_turn(content.images)[:PANELS]
    ]
    return Explained(content, panels, len(content.images) - len(panels), _shares(content))


def in_turn(images: Sequence[ExplainedImage]) -> list[ExplainedImage]:
    """Order images in rounds: one wrong image per class, then one right image per class, and so on."""
    kinds: dict[tuple[bool, str], list[ExplainedImage]] = {}
    for image in images:
        kinds.setdefault((image.correct, image.label), []).append(image)
    rounds = zip_longest(*(kinds[kind] for kind in sorted(kinds)))
    return [image for one in rounds for image in one if image is not None]


def method_name(method: str) -> str:
    """Display name of a method."""
    return TITLES.get(method, method.replace("_", " "))


def _shares(content: ExplanationDetails) -> dict[str, dict[str, Regions]]:
    areas = content.area_shares or {}
    found: dict[str, dict[str, Regions]] = {}
    for label, methods in (content.shares or {}).items():
        bars = {**{method_name(name): regions for name, regions in methods.items()}, PIXELS: areas.get(label)}
        found[label] = {name: regions for name, regions in bars.items() if regions and _measured(regions)}
    return found


def _measured(regions: Regions) -> bool:
    return all(one.mean is not None for one in regions.values())
