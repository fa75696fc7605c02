"""Train a segmenter of cells and nuclei, with cross-fitting if requested, and evaluate it on the test split."""

from __future__ import annotations

from cytopipe import paths
from cytopipe.core.io.tables import write_table
from cytopipe.core.pipeline.stage import Stage, main
from cytopipe.data.manifest import read_manifest


def run(stage: Stage) -> None:
    """Write models/segmenters/<name>/ and results/segmenters/<name>/."""
    from cytopipe.adapters.base import AnnotatedField
    from cytopipe.adapters.registry import adapter
    from cytopipe.data.imaging.decode import AS_FULL
    from cytopipe.evaluation.segmenter.distribution import (
        COLUMNS,
        distribution_figure,
        distribution_rows,
        segmenter_details,
    )
    from cytopipe.evaluation.segmenter.evaluate import evaluate_segmenter
    from cytopipe.models.folder import save_model
    from cytopipe.models.folds import Folds
    from cytopipe.models.trust import allow_named
    from cytopipe.results.dataset import DatasetSummary
    from cytopipe.results.details import values_of
    from cytopipe.results.headline import Headline
    from cytopipe.results.segmenter import SegmenterPredictions
    from cytopipe.training.train_segmenter import SegmenterJob, train_segmenter
    from cytopipe.training.trained import write_history
    from cytopipe.training.workspace import Workspace

    allow_named(stage.params.segmenters)
    config = stage.params.segmenters[stage.item]
    organized = paths.Organized(config.dataset)
    rows = read_manifest(organized.manifest)

    reading = DatasetSummary.read(organized.summary).reading
    fields: list[AnnotatedField] = []
    if config.view == "fields":
        dataset = stage.params.datasets[config.dataset]
        source = adapter(dataset.adapter, f"datasets.{config.dataset}.adapter")
        fields = source.read_fields(
            paths.Raw(config.dataset).files, dataset.options, f"datasets.{config.dataset}.options"
        )
    with Workspace.of_stage(stage, shared=True) as workspace:
        data_hash = stage.inputs[organized.manifest.as_posix()]
        job = SegmenterJob(config, organized.folder, data_hash, workspace, fields, reading or AS_FULL)
        trained = train_segmenter(job, rows)
        main = trained.main
        table = evaluate_segmenter(main.model, main.spec, organized.folder, rows, workspace.device)

    target = paths.segmenter(stage.item)
    model_folder = stage.folder(target.model)
    for part, network in trained.networks.items():
        save_model(model_folder / part, network.model, network.spec.model_copy(update={"reading": reading}))
    Folds(trained.folds, model_folder).write()
    history = stage.folder(target.training)
    write_history(history, main.history, "dice")
    plots, figures = stage.folder(target.plots), stage.folder(target.figures)
    write_table(plots / "distribution.csv", distribution_rows(table), COLUMNS)
    distribution_figure(figures / "distribution.png", table)
    predictions, details = stage.output(target.predictions), segmenter_details(config.dataset, table, rows)
    SegmenterPredictions.of(table).write(predictions)
    details.write(stage.output(target.details))
    Headline.of("segmentation", details).write(stage.output(target.metrics))

    stage.tracker.log_metrics(values_of(details, "segmentation"))
    stage.tracker.log_figure(history / "curves.png")
    stage.tracker.log_figure(figures / "distribution.png")
    stage.tracker.log_table(plots / "distribution.csv")
    stage.tracker.log_table(history / "history.csv")
    stage.tracker.log_dict(details.plain, "details.json")
    stage.tracker.log_text(predictions.read_text(encoding="utf-8"), "tables/predictions.csv")


if __name__ == "__main__":
    main(run, __doc__, live=True)
