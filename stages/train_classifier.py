"""Train a classifier of cells; the validation split alone chooses its best epoch."""

from __future__ import annotations

import json

from cytopipe import paths
from cytopipe.io.atomic import write_json, write_text
from cytopipe.pipeline.stage import Stage, main


def run(stage: Stage) -> None:
    """Write models/classifiers/<name>/ and the history of the training."""
    from cytopipe.data.tensors import load_split
    from cytopipe.deploy.mlflow.log import log_model
    from cytopipe.models.bundle import copy_segmenter, example_images
    from cytopipe.models.decision_rule import Decisions
    from cytopipe.models.files import FOLDS, SEGMENTER
    from cytopipe.models.folder import save_model
    from cytopipe.models.usage import README, usage
    from cytopipe.training.crossvalidate import train_all
    from cytopipe.training.results import write_history
    from cytopipe.training.stage_workspace import workspace

    config = stage.params.classifiers[stage.item]
    tensors = paths.Tensors(config.dataset)
    summary = json.loads(paths.Organized(config.dataset).summary.read_text())
    with workspace(stage) as place:
        data_hash = stage.inputs[tensors.manifest.as_posix()]
        classes, normal = tuple(summary["classes"]), summary["normal"]
        trained = train_all(config, classes, tensors.folder, data_hash, place, normal)

    target = paths.classifier(stage.item)
    model_folder = stage.folder(target.model)
    items, rows = load_split(tensors.folder, "val")
    examples = example_images(items, [row.class_index for row in rows])
    for part, (model, spec) in trained.models.items():
        save_model(model_folder / part, model, spec, examples)
        about = usage(stage.item, spec, Decisions.of(spec).confidence_threshold)
        write_text(model_folder / part / README, about)
    if config.channels != "rgb":
        copy_segmenter(paths.Masks(config.dataset).segmenter, model_folder / SEGMENTER)
    if trained.folds:
        write_json(model_folder / FOLDS, trained.folds)
    training = stage.folder(target.training)
    write_history(training, trained.history, "accuracy")
    stage.tracker.log_dict(summary, "dataset.json")
    stage.tracker.log_figure(training / "curves.png")
    stage.tracker.log_table(training / "history.csv")
    log_model(stage.tracker, model_folder, stage.item, {"classifier": stage.item, "dataset": config.dataset})


if __name__ == "__main__":
    main(run, __doc__)
