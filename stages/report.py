"""Write the report, one self-contained HTML page, and a card for every model and dataset."""

from __future__ import annotations

from cytopipe import paths
from cytopipe.core.io.atomic import write_text
from cytopipe.core.pipeline.stage import Stage, main


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
    main(run, __doc__, live=True)
