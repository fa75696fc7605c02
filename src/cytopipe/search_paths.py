"""The paths of searches over parameters; the others are in `paths`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cytopipe.paths import STATE

SEARCHES = Path("results/searches/searches.json")
WORK = STATE / "searches"  # storage and checkpoints of searches: never an output


@dataclass(frozen=True)
class Searched:
    """What a search over parameters found."""

    search: str

    @property
    def folder(self) -> Path:
        """Folder that holds the outputs."""
        return SEARCHES.parent / self.search

    @property
    def best(self) -> Path:
        """The best parameters; a network that is made of them names this file as `pretrained`."""
        return self.folder / "best.yaml"

    @property
    def summary(self) -> Path:
        """How it was searched, what is best, and the estimates with their intervals."""
        return self.folder / "search.json"

    @property
    def trials(self) -> Path:
        """A row a trial."""
        return self.folder / "trials.csv"

    @property
    def nested(self) -> Path:
        """A row an outer fold; only a header without outer folds."""
        return self.folder / "nested.csv"

    @property
    def plots(self) -> Path:
        """Folder of the plot tables."""
        return self.folder / "plots"

    @property
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.folder / "figures"
