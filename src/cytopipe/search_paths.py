"""The paths of searches over parameters; the others are in `paths`, which this would make too long."""

from __future__ import annotations

from pathlib import Path

from cytopipe.paths import STATE, Drawn, Entry

SEARCHES = Path("results/searches/README.md")  # not of one search: it is there without any, too
WORK = STATE / "searches"  # storage and checkpoints of searches: never an output


class Searched(Entry, Drawn):
    """What a search over parameters found."""

    parent = SEARCHES.parent

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
