"""The suspects of a dataset, with their pictures, prepared for the template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cytopipe import paths
from cytopipe.report.pictures import Album, Picture
from cytopipe.report.read import Results
from cytopipe.results.suspects import Suspect, Suspects, SuspectsSummary

SHOWN = 24  # suspects with a picture, of each table


@dataclass(frozen=True)
class SuspectsView:
    """Suspects by the predictions of one classifier; `shown` are the first of them, `table` is the path of all."""

    summary: SuspectsSummary
    shown: Sequence[tuple[Suspect, Picture]]
    table: str

    @property
    def hidden(self) -> int:
        """Number of suspects without a picture."""
        return self.summary.suspects - len(self.shown)


def suspect_views(results: Results, album: Album) -> dict[str, list[SuspectsView]]:
    """The suspects by dataset: those of the audit, and those of every classifier with folds."""
    folders = {name: [paths.Audit(name).folder] for name in results.datasets}
    for name, one in results.classifiers.items():
        folders[one.config.dataset].append(paths.classifier(name).clinical)
    return {
        name: [
            _view(name, folder, results, album)
            for folder in found
            if (folder / paths.SUSPECTS).is_file() and (folder / paths.HOW_SUSPECTED).is_file()
        ]
        for name, found in folders.items()
    }


def _view(dataset: str, folder: Path, results: Results, album: Album) -> SuspectsView:
    found = Suspects.read(folder)
    known = [row for row in found.rows if row.id in results.datasets[dataset].by_id][:SHOWN]
    shown = [(row, album.get(dataset, row.id)) for row in known]
    return SuspectsView(found.summary, shown, (folder / paths.SUSPECTS).as_posix())
