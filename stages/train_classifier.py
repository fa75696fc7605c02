"""Train a classifier of cells; the validation split alone chooses its best epoch."""

from __future__ import annotations

import json
from pathlib import Path

from cytopipe import paths
from cytopipe.params import Params
from cytopipe.stage import Stage, main


def inputs(params: Params, classifier: str) -> list[Path]:
    """What this stage reads."""
    config = params.classifiers[classifier]
    tensors = paths.Tensors(config.dataset)
    weights = [config.pretrained] if isinstance(config.pretrained, Path) else []
    arrays = [tensors.array(split) for split in ("train", "val")]
    return [tensors.manifest, *arrays, paths.Organized(config.dataset).summary, *weights]


def run(stage: Stage) -> None:
    """Write models/classifiers/<name>/ and the history of the training."""
    from cytopipe.compute import workspace
    from cytopipe.models import save_model
    from cytopipe.training.classifier import train_classifier
    from cytopipe.training.results import write_history

    config = stage.params.classifiers[stage.item]
    tensors = paths.Tensors(config.dataset)
    summary = json.loads(paths.Organized(config.dataset).summary.read_text())
    with workspace(stage) as place:
        model, spec, history = train_classifier(
            config, tuple(summary["classes"]), tensors.folder, stage.inputs[tensors.manifest.as_posix()], place
        )

    target = paths.classifier(stage.item)
    save_model(stage.output(target.model), model, spec)
    training = stage.folder(target.training)
    write_history(training, history, "accuracy")
    stage.tracker.log_dict(summary, "dataset.json")
    stage.tracker.log_figure(training / "curves.png")


if __name__ == "__main__":
    main("train_classifier", run, inputs, __doc__, item="classifier")
