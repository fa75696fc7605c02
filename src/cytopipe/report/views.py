"""View models of the templates: one object per dataset, ranking, classifier and segmenter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from cytopipe import paths
from cytopipe.adapters.base import Adapter
from cytopipe.adapters.registry import adapter
from cytopipe.core.params import SPLITS, RecipeSource
from cytopipe.metrics.comparison import compact_letter_display
from cytopipe.metrics.registry import of_task
from cytopipe.report.confusion import Cell, chosen_images, matrix
from cytopipe.report.curves import (
    Curve,
    Key,
    class_keys,
    classifier_curves,
    classifier_training,
    perturbation_curves,
    segmenter_curves,
)
from cytopipe.report.explained import Explained, explained
from cytopipe.report.findings import Audited, audited
from cytopipe.report.guarantees import GuaranteesView, guarantees_view
from cytopipe.report.masks import Gallery, gallery
from cytopipe.report.pictures import Album, Picture
from cytopipe.report.read import ClassifierResults, DatasetResults, Results, SegmenterResults
from cytopipe.report.unfamiliar import UnfamiliarView, unfamiliar_view
from cytopipe.results.leaderboard import RankedClassifier, Ranking
from cytopipe.results.predictions import Prediction
from cytopipe.sources.recipe import load_recipe

EXAMPLES = 3  # images shown for a class and split
LEADING = of_task("classification")[0].key  # the metric by which classifiers are ranked


@dataclass(frozen=True)
class Origin:
    """Origin of a dataset as text; licence and citation are empty if unknown."""

    text: str
    licence: str
    citation: str


@dataclass(frozen=True)
class DatasetView:
    """A dataset; `examples` are (id, picture) by class and split."""

    results: DatasetResults
    adapter: Adapter
    origin: Origin
    examples: Mapping[str, Mapping[str, Sequence[tuple[str, Picture]]]]
    keys: Sequence[Key]
    audit: Audited
    classifiers: Sequence[str]


@dataclass(frozen=True)
class RankingView:
    """One ranking of the leaderboard; `low` is the start of the axis of accuracy."""

    title: str
    dataset: str
    content: Ranking
    letters: Mapping[str, str]
    low: float
    audit: Audited

    @property
    def resolved(self) -> int:
        """Number of significant differences."""
        return sum(pair.resolved for pair in self.content.pairs)

    @property
    def best(self) -> RankedClassifier:
        """The best classifier."""
        return self.content.best

    @property
    def ticks(self) -> list[float]:
        """Labelled values of the axis."""
        return [round(float(value), 2) for value in np.linspace(self.low, 1, 3)]


@dataclass(frozen=True)
class ClassifierView:
    """A classifier; `shown` are the images to show for each cell of the confusion matrix."""

    results: ClassifierResults
    open: bool
    keys: Sequence[Key]
    curves: Sequence[Curve]
    training: Sequence[Curve]
    matrix: Sequence[Sequence[Cell]]
    shown: Mapping[tuple[str, str], Sequence[Prediction]]
    explained: Explained
    perturbation: Sequence[Curve]
    unfamiliar: UnfamiliarView | None
    guarantees: GuaranteesView | None


@dataclass(frozen=True)
class SegmenterView:
    """A segmenter."""

    results: SegmenterResults
    curves: Sequence[Curve]
    gallery: Gallery


def dataset_view(one: DatasetResults, results: Results, album: Album) -> DatasetView:
    """Prepare one dataset."""
    return DatasetView(
        one,
        adapter(one.config.adapter, f"datasets.{one.name}.adapter"),
        origin(one),
        examples(one, album),
        class_keys(one.classes),
        audited(one, album),
        [name for name, classifier in results.classifiers.items() if classifier.config.dataset == one.name],
    )


def origin(one: DatasetResults) -> Origin:
    """Describe where the images come from."""
    source = one.config.source
    if isinstance(source, RecipeSource):
        recipe = load_recipe(source.path) if source.path.is_relative_to(paths.RECIPES) else None
        text = f"fetched by the recipe {_name(source.path)}"
        return Origin(text, recipe.licence if recipe else "", recipe.citation if recipe else "")
    if source.kind == "phantom":
        text = f"phantoms drawn by cytopipe in this layout with seed {source.seed}, no real cells"
        return Origin(text, "Apache-2.0, as cytopipe", "")
    return Origin(f"the local archive {_name(source.path)}", "", "")


def _name(path: PurePath) -> str:
    return path.name if path.is_absolute() else path.as_posix()


def examples(one: DatasetResults, album: Album) -> dict[str, dict[str, list[tuple[str, Picture]]]]:
    """Choose a few images of every class and split, evenly spaced in the order of ids."""
    found: dict[str, dict[str, list[tuple[str, Picture]]]] = {}
    for label in one.classes:
        for split in SPLITS:
            ids = [row.id for row in one.rows if (row.label, row.split) == (label, split)]
            places = np.linspace(0, len(ids) - 1, min(EXAMPLES, len(ids))).round().astype(int).tolist()
            shown = [(ids[place], album.get(one.name, ids[place])) for place in places]
            found.setdefault(label, {})[split] = shown
    return found


def ranking_views(results: Results, datasets: Mapping[str, DatasetView]) -> list[RankingView]:
    """Prepare every ranking, in the order of the datasets."""
    order = list(results.datasets)
    views = [_ranking_view(title, content, results, datasets) for title, content in results.leaderboard.root.items()]
    return sorted(views, key=lambda view: (order.index(view.dataset), view.title))


def _ranking_view(title: str, content: Ranking, results: Results, datasets: Mapping[str, DatasetView]) -> RankingView:
    rows = content.classifiers
    dataset = results.classifiers[rows[0].name].config.dataset
    leading = [row.metrics[LEADING] for row in rows]
    lowest = min(one.value or 0.0 if one.low is None else one.low for one in leading)
    low = max(0.0, float(np.floor(lowest * 10 - 1e-9)) / 10)
    groups = content.equals if len(rows) > 1 else ()
    return RankingView(title, dataset, content, compact_letter_display(groups), low, datasets[dataset].audit)


def classifier_views(results: Results, rankings: Sequence[RankingView]) -> list[ClassifierView]:
    """Prepare every classifier in the order of the rankings; the best of each ranking is expanded."""
    return [
        _classifier_view(results.classifiers[row.name], place == 0)
        for ranking in rankings
        for place, row in enumerate(ranking.content.classifiers)
    ]


def _classifier_view(one: ClassifierResults, first: bool) -> ClassifierView:
    return ClassifierView(
        one,
        first,
        class_keys(one.classes),
        classifier_curves(one),
        classifier_training(one),
        matrix(one.predictions, one.classes),
        chosen_images(one.predictions),
        explained(one),
        perturbation_curves(one),
        unfamiliar_view(one),
        guarantees_view(one.guarantees),
    )


def segmenter_view(one: SegmenterResults, results: Results) -> SegmenterView:
    """Prepare one segmenter."""
    return SegmenterView(one, segmenter_curves(one), gallery(one, results))
