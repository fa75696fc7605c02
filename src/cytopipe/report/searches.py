"""Searches, prepared for the template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cytopipe.core.params import Params
from cytopipe.report.pictures import Picture, drawing
from cytopipe.results.search import SearchResult
from cytopipe.search_paths import Searched

FIGURES = {
    "history": "Objective of every trial in turn, and the nested estimate where there is one",
    "importance": "Share of the variation of the objective that each parameter explains among the better trials",
    "parallel": "Every completed trial across its parameters",
}


@dataclass(frozen=True)
class SearchView:
    """A search with its pictures; `found` are the best values as text, by path."""

    name: str
    result: SearchResult
    found: Sequence[tuple[str, str]]
    pictures: Sequence[tuple[str, Picture]]


def search_views(params: Params) -> list[SearchView]:
    """Prepare every search of params.yaml that has run; its networks may be trained without it."""
    return [_view(name) for name in params.searches if Searched(name).summary.is_file()]


def _view(name: str) -> SearchView:
    files = Searched(name)
    result = SearchResult.read(files.summary)
    found = [(path, _text(value)) for path, value in sorted(result.found.items())]
    pictures = [
        (words, drawing(files.figures / f"{figure}.png"))
        for figure, words in FIGURES.items()
        if (files.figures / f"{figure}.png").is_file()
    ]
    return SearchView(name, result, found, pictures)


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
