"""Train a classifier of cells; the validation split alone chooses its best epoch."""

from __future__ import annotations

import json
from pathlib import Path

from cytopipe import paths
from cytopipe.params import SPLITS, Params
from cytopipe.pipeline.stage import Stage, main


def inputs(params: Params, classifier: str) -> list[Path]:
    """What this stage reads."""
    config = params.classifiers[classifier]
    tensors = paths.Tensors(config.dataset)
    weights = [config.pretrained] if isinstance(config.pretrained, Path) else []
    # The test split is opened by cross-validation alone, where each image is the test of one fold.
    arrays = [tensors.array(split) for split in SPLITS if split != "test" or config.folds]
    segmenter = paths.Masks(config.dataset).segmenter
    return [tensors.manifest, *arrays, paths.Organized(config.dataset).summary, segmenter, *weights]


def run(stage: Stage) -> None:
    """Write models/classifiers/<name>/ and the history of its training."""
    from cytopipe.data.tensors import load_split
    from cytopipe.deploy.mlflow.log import log_model
    from cytopipe.models.bundle import example_images, save_classifier
    from cytopipe.training.train_classifier import ClassifierJob, train_classifier
    from cytopipe.training.trained import write_history
    from cytopipe.training.workspace import Workspace

    config = stage.params.classifiers[stage.item]
    tensors = paths.Tensors(config.dataset)
    dataset = json.loads(paths.Organized(config.dataset).summary.read_text())

    with Workspace.of_stage(stage) as workspace:
        job = ClassifierJob(
            config=config,
            classes=tuple(dataset["classes"]),
            normal=dataset["normal"],
            tensors=tensors.folder,
            data_hash=stage.inputs[tensors.manifest.as_posix()],
            workspace=workspace,
        )
        trained = train_classifier(job)

    target = paths.classifier(stage.item)
    model = stage.folder(target.model)
    items, rows = load_split(tensors.folder, "val")
    examples = example_images(items, [row.class_index for row in rows])
    segmenter = None if config.channels == "rgb" else paths.Masks(config.dataset).segmenter
    networks = {part: (one.model, one.spec) for part, one in trained.networks.items()}
    save_classifier(model, stage.item, networks, trained.folds, examples, segmenter)
    history = stage.folder(target.training)
    write_history(history, trained.history, "accuracy")

    stage.tracker.log_dict(dataset, "dataset.json")
    stage.tracker.log_figure(history / "curves.png")
    stage.tracker.log_table(history / "history.csv")
    log_model(stage.tracker, model, stage.item, {"classifier": stage.item, "dataset": config.dataset})


if __name__ == "__main__":
    main("train_classifier", run, inputs, __doc__, item="classifier")
