"""Compare all classifiers on the same test images: leaderboard.json and leaderboard.md, winners in MLflow."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

from cytopipe import paths
from cytopipe.deploy.mlflow.registry import Winner, register, registered_name
from cytopipe.evaluation.leaderboard import Entry, leaderboard, read_predictions, to_markdown
from cytopipe.io.atomic import write_json, write_text
from cytopipe.params import Classifier
from cytopipe.pipeline.stage import Stage, main

logger = logging.getLogger("cytopipe")


def read_entry(name: str, config: Classifier) -> Entry:
    """One classifier's results."""
    trained = paths.classifier(name)
    metrics = json.loads(trained.metrics.read_text())
    summary = json.loads(trained.summary.read_text())
    about = {key: summary[key] for key in ("dataset", "architecture", "channels", "parameters")}
    ids, groups, correct = read_predictions(trained.predictions)
    settings = config.model_dump(exclude={"channels"})
    return Entry(name=name, metrics=metrics, ids=ids, groups=groups, correct=correct, settings=settings, **about)


def winners(board: dict[str, Any]) -> Iterator[Winner]:
    """The best classifier of each ranking; of a cross-validated one no network alone was tested."""
    for ranking in board.values():
        best = ranking["classifiers"][0]
        files = paths.classifier(best["name"])
        summary = json.loads(files.summary.read_text())
        if summary["model"] is None:
            logger.info("%s: not registered, as it is one network a fold", best["name"])
            continue
        limits = best["interval"] or {}  # none where all test images are of one group
        tags = {
            "accuracy": f"{best['accuracy']:.6g}",
            **{f"accuracy_{end}": f"{value:.6g}" for end, value in limits.items()},
            "test_images": str(ranking["test_images"]),
            "test_groups": str(ranking["test_groups"]),
            "test_sha256": summary["test_sha256"],
        }
        yield Winner(summary["dataset"], best["name"], summary["model"], files.model, tags)


def run(stage: Stage) -> None:
    """Write the leaderboard and the list of screenings; register the best classifier of each dataset in MLflow."""
    board = leaderboard([read_entry(name, config) for name, config in stage.params.classifiers.items()])
    text = to_markdown(board)
    write_json(stage.output(paths.LEADERBOARD_JSON), board)
    write_text(stage.output(paths.LEADERBOARD_MD), text)
    # The report depends on this folder, which no stage would make where there is nothing to screen.
    asked = {name: config.model_dump(mode="json") for name, config in stage.params.screenings.items()}
    write_json(stage.output(paths.SCREENINGS), asked)
    stage.tracker.log_dict(board, "leaderboard.json")
    stage.tracker.log_text(text, "leaderboard.md")
    for winner in winners(board):
        register(stage.tracker, registered_name(stage.params.tracking.experiment, winner.dataset), winner)
    print(text)


if __name__ == "__main__":
    main(run, __doc__)
