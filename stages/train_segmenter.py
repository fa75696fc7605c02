"""Train a segmenter of cell and nucleus, with cross-fitted models where asked, and test it on the test split."""

from __future__ import annotations

from pathlib import Path

from cytopipe import paths
from cytopipe.data.manifest import read_manifest
from cytopipe.io.atomic import write_json
from cytopipe.io.tables import write_table
from cytopipe.params import Params
from cytopipe.pipeline.stage import Stage, main


def inputs(params: Params, segmenter: str) -> list[Path]:
    """What this stage reads; the manifest stands for images and masks."""
    config = params.segmenters[segmenter]
    weights = [config.pretrained] if isinstance(config.pretrained, Path) else []
    return [paths.Organized(config.dataset).manifest, *weights]


def run(stage: Stage) -> None:
    """Write models/segmenters/<name>/ and results/segmenters/<name>/."""
    from cytopipe.evaluation.distribution import COLUMNS, distribution_figure, distribution_rows, segmenter_details
    from cytopipe.models.files import FOLDS
    from cytopipe.models.folder import MAIN, save_model
    from cytopipe.results.details import values_of
    from cytopipe.results.headline import Headline
    from cytopipe.results.segmenter import SegmenterPredictions
    from cytopipe.training.crossfit import test_segmenter, train_with_folds
    from cytopipe.training.results import write_history
    from cytopipe.training.stage_workspace import workspace

    config = stage.params.segmenters[stage.item]
    organized = paths.Organized(config.dataset)
    rows = read_manifest(organized.manifest)
    with workspace(stage) as place:
        trained = train_with_folds(config, organized.folder, rows, stage.inputs[organized.manifest.as_posix()], place)
        table = test_segmenter(trained.models[MAIN], organized.folder, rows, place)

    target = paths.segmenter(stage.item)
    model_folder = stage.folder(target.model)
    for part, (model, spec) in trained.models.items():
        save_model(model_folder / part, model, spec)
    write_json(model_folder / FOLDS, trained.folds)
    training = stage.folder(target.training)
    write_history(training, trained.history, "dice")
    plots = stage.folder(target.plots)
    write_table(plots / "distribution.csv", distribution_rows(table), COLUMNS)
    distribution_figure(plots / "distribution.png", table)
    predictions, details = stage.output(target.predictions), segmenter_details(config.dataset, table)
    SegmenterPredictions.of(table).write(predictions)
    details.write(stage.output(target.details))
    Headline.of("segmentation", details).write(stage.output(target.metrics))
    stage.tracker.log_metrics(values_of(details, "segmentation"))
    stage.tracker.log_figure(training / "curves.png")
    stage.tracker.log_figure(plots / "distribution.png")
    stage.tracker.log_table(plots / "distribution.csv")
    stage.tracker.log_table(training / "history.csv")
    stage.tracker.log_dict(details.plain, "details.json")
    stage.tracker.log_text(predictions.read_text(encoding="utf-8"), "tables/predictions.csv")


if __name__ == "__main__":
    main("train_segmenter", run, inputs, __doc__, item="segmenter")
