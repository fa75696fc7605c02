"""Evaluate a classifier on the test split: metrics with confidence intervals, predictions, plots and figures."""

from __future__ import annotations

from cytopipe import paths
from cytopipe.core.io.hash_record import HashRecord
from cytopipe.core.pipeline.stage import Stage, main


def run(stage: Stage) -> None:
    """Write results/classifiers/<name>/."""
    from cytopipe.evaluation.classifier.evaluate import evaluate
    from cytopipe.evaluation.classifier.guarantees import evaluate_guarantees
    from cytopipe.evaluation.classifier.patients import write_patients
    from cytopipe.evaluation.classifier.subgroups import write_subgroups
    from cytopipe.evaluation.classifier.suspects import fold_suspects
    from cytopipe.evaluation.classifier.unfamiliar import write_unfamiliar
    from cytopipe.models.determinism import prepare

    config = stage.params.classifiers[stage.item]
    target = paths.classifier(stage.item)
    tensors = paths.Tensors(config.dataset).folder
    device = prepare(stage.params.runtime)
    with HashRecord(paths.HASHES) as record:
        result = evaluate(target.model, tensors, config.dataset, device, record.sha256)
    plots, figures = stage.folder(target.plots), stage.folder(target.figures)
    result.write_plots(plots, figures)
    predictions = stage.output(target.predictions)
    result.predictions.write(predictions)
    clinical = stage.folder(target.clinical)
    write_subgroups(result, clinical)
    if suspects := fold_suspects(stage.item, result.rows, result.calibrated, result.part):
        suspects.write(clinical)
    write_unfamiliar(clinical, result, target.model, tensors, device)
    if guarantees := evaluate_guarantees(result, target.model):
        guarantees.write(clinical / paths.GUARANTEES)
    result = write_patients(clinical, result, target.model, tensors, device)
    result.details.write(stage.output(target.details))
    result.headline.write(stage.output(target.metrics))
    stage.tracker.log_metrics(result.logged)
    stage.tracker.log_dict(result.details.plain, "details.json")
    stage.tracker.log_text(predictions.read_text(encoding="utf-8"), "tables/predictions.csv")
    for figure in sorted(figures.glob("*.png")):
        stage.tracker.log_figure(figure)
    for table in sorted(plots.glob("*.csv")):
        stage.tracker.log_table(table)


if __name__ == "__main__":
    main(run, __doc__)
