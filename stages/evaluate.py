"""Evaluate a classifier on the test split: metrics with intervals, predictions, plot tables and figures."""

from __future__ import annotations

from cytopipe import paths
from cytopipe.io.atomic import write_json
from cytopipe.io.tables import write_table
from cytopipe.pipeline.stage import Stage, main


def run(stage: Stage) -> None:
    """Write results/classifiers/<name>/."""
    from cytopipe.evaluation.evaluate import evaluate
    from cytopipe.training.determinism import prepare

    config = stage.params.classifiers[stage.item]
    target = paths.classifier(stage.item)
    result = evaluate(target.model, paths.Tensors(config.dataset).folder, prepare(stage.params.runtime))
    plots = stage.folder(target.plots)
    result.write_plots(plots)
    predictions = stage.output(target.predictions)
    write_table(predictions, result.predictions)
    write_json(stage.output(target.summary), {"dataset": config.dataset, **result.summary})
    write_json(stage.output(target.metrics), result.metrics)
    stage.tracker.log_metrics(result.headline)
    stage.tracker.log_dict(result.summary, "summary.json")
    stage.tracker.log_dict(result.metrics, "metrics.json")
    stage.tracker.log_text(predictions.read_text(encoding="utf-8"), "tables/predictions.csv")
    for figure in sorted(plots.glob("*.png")):
        stage.tracker.log_figure(figure)
    for table in sorted(plots.glob("*.csv")):
        stage.tracker.log_table(table)


if __name__ == "__main__":
    main(run, __doc__)
