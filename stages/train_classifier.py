"""Train a classifier of cells; only the validation split selects the best epoch."""

from __future__ import annotations

from cytopipe import paths
from cytopipe.core.pipeline.stage import Stage, main


def run(stage: Stage) -> None:
    """Write models/classifiers/<name>/, the history of its training and its predictions of the validation images."""
    from cytopipe.data.tensors import load_all, load_split
    from cytopipe.deploy.mlflow.log import log_model
    from cytopipe.models.bundle import Together, example_images, save_classifier
    from cytopipe.results.dataset import DatasetSummary
    from cytopipe.results.predictions import Predictions
    from cytopipe.results.tensors import TensorsSummary
    from cytopipe.training.patients import patient_files
    from cytopipe.training.train_classifier import ClassifierJob, train_classifier
    from cytopipe.training.trained import write_history
    from cytopipe.training.workspace import Workspace

    config = stage.params.classifiers[stage.item]
    tensors = paths.Tensors(config.dataset)
    dataset = DatasetSummary.read(paths.Organized(config.dataset).summary)
    fit = TensorsSummary.read(tensors.summary).fit

    with Workspace.of_stage(stage, shared=True) as workspace:
        job = ClassifierJob(
            config=config,
            classes=dataset.classes,
            normal=dataset.normal,
            tensors=tensors.folder,
            data_hash=stage.inputs[tensors.manifest.as_posix()],
            workspace=workspace,
            fit=fit,
            leave_out=dataset.left_out,
        )
        trained = train_classifier(job)
        further = patient_files(job, trained)

    target = paths.classifier(stage.item)
    model = stage.folder(target.model)
    items, rows = load_split(tensors.folder, "val")
    reading = dataset.reading
    examples = example_images(items, [row.class_index for row in rows], reading is not None, fit)
    segmenter = None if config.channels == "rgb" else paths.Masks(config.dataset).segmenter
    networks = {
        part: (one.model, one.spec.model_copy(update={"reading": reading})) for part, one in trained.networks.items()
    }
    for part, one in trained.networks.items():
        further.setdefault(part, {}).update(one.files)
    judged = load_all(tensors.folder)[1] if trained.folds else rows
    groups = len({row.group for row in judged})
    together = Together(trained.rule, len(judged), groups, trained.guarantees) if trained.rule else None
    save_classifier(model, stage.item, networks, trained.folds, examples, segmenter, further, together)
    history = stage.folder(target.training)
    write_history(history, trained.history, "accuracy")
    images = [(row.id, row.group, row.label) for row in judged]
    predicted = Predictions.of_images(dataset.classes, images, trained.judged)
    predicted.write(history / paths.validation(stage.item).name)

    stage.tracker.log_dict(dataset.plain, "dataset.json")
    stage.tracker.log_figure(history / "curves.png")
    stage.tracker.log_table(history / "history.csv")
    log_model(stage.tracker, model, stage.item, {"classifier": stage.item, "dataset": config.dataset})


if __name__ == "__main__":
    main(run, __doc__, live=True)
