"""Make what people look at: results/report.html, one self-contained page, and a card of every model and dataset."""

from __future__ import annotations

from pathlib import Path

from cytopipe import paths
from cytopipe.io.atomic import write_text
from cytopipe.params import Params
from cytopipe.pipeline.stage import Stage, main


def inputs(params: Params, item: str) -> list[Path]:
    """What this stage reads; manifests stand for images and masks."""
    datasets = [
        path
        for name in params.datasets
        for path in (paths.Organized(name).manifest, paths.Organized(name).summary, paths.Masks(name).manifest)
    ]
    segmenters = [path for name in params.segmenters for path in _results(paths.segmenter(name))]
    classifiers = [path for name in params.classifiers for path in _results(paths.classifier(name))]
    audits = [paths.Audit(name).findings for name in params.datasets]
    explained = [paths.Explained(name).summary for name in params.classifiers]
    screened = [
        path for name in params.screenings for path in (paths.Screened(name).details, paths.Screened(name).fields)
    ]
    return [*datasets, *segmenters, *classifiers, *audits, *explained, *screened, paths.LEADERBOARD_JSON]


def _results(trained: paths.Trained) -> list[Path]:
    return [trained.model, trained.details, trained.predictions, trained.training / "history.csv"]


def run(stage: Stage) -> None:
    """Write results/report.html and results/cards/."""
    from cytopipe.report.build import build_report

    report = build_report(stage.params)
    folder = stage.folder(paths.CARDS)
    for name, text in report.cards.items():
        write_text(folder / name, text)
    write_text(stage.output(paths.REPORT), report.html)
    stage.tracker.log_text(report.html, paths.REPORT.name)


if __name__ == "__main__":
    main("report", run, inputs, __doc__)
