"""Evaluate a trained model, with all its decisions frozen, on the images of another laboratory."""

from __future__ import annotations

import logging

from cytopipe import paths
from cytopipe.core.io.tables import write_table
from cytopipe.core.io.workers import worker_count
from cytopipe.core.params import learnt_from
from cytopipe.core.pipeline.stage import Stage, main

logger = logging.getLogger("cytopipe")


def run(stage: Stage) -> None:
    """Write results/external/<name>/."""
    from cytopipe.external.classifier import evaluate_classifier
    from cytopipe.external.leaks import search
    from cytopipe.external.outputs import drop_rows, write_figures
    from cytopipe.external.segmenter import evaluate_segmenter_elsewhere
    from cytopipe.external.sides import Side
    from cytopipe.models.determinism import prepare
    from cytopipe.models.trust import allow_named

    allow_named(stage.params.segmenters)
    params, target, where = stage.params, paths.External(stage.item), f"evaluations.{stage.item}"
    config = params.evaluations[stage.item]
    seen = learnt_from(config.section, config.model, params.datasets, params.segmenters, params.classifiers)
    trained_on = list(dict.fromkeys(dataset for _, dataset in seen))
    there = Side.read(config.dataset)
    leaks = search(
        [Side.read(name) for name in trained_on],
        there,
        near=params.audit != "off",
        progress=stage.progress,
        workers=worker_count(params.runtime.num_workers),
        where=f"{where}.dataset",
    )
    for finding in leaks.findings:
        if finding.verdict != "ok":
            logger.warning("%s: %s: %s", stage.label, finding.verdict, finding.title)
    device = prepare(params.runtime)
    given = (trained_on, leaks, device, stage.progress, where)
    found = (
        evaluate_segmenter_elsewhere(config.model, there, *given)
        if config.classifier is None
        else evaluate_classifier(config.model, there, config.classes, *given)
    )
    if found.details.reading:
        logger.warning("%s: %s", stage.label, found.details.reading)
    figures, predictions = stage.folder(target.figures), stage.output(target.predictions)
    write_figures(figures, found)
    table = stage.folder(target.plots) / "drop.csv"
    write_table(table, drop_rows(found.details))
    found.predictions.write(predictions)
    found.details.write(stage.output(target.details))
    headline = found.details.headline
    headline.write(stage.output(target.metrics))
    stage.tracker.log_metrics(headline.root)
    stage.tracker.log_dict(found.details.plain, "details.json")
    stage.tracker.log_text(predictions.read_text(encoding="utf-8"), "tables/predictions.csv")
    stage.tracker.log_table(table)
    for figure in sorted(figures.glob("*.png")):
        stage.tracker.log_figure(figure)


if __name__ == "__main__":
    main(run, __doc__)
