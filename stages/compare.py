"""Compare all classifiers on the same test images: write the leaderboard and register the chosen in MLflow."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cytopipe import paths
from cytopipe.core.io.atomic import write_text
from cytopipe.core.pipeline.stage import Stage, main
from cytopipe.results.classifier import ClassifierDetails
from cytopipe.results.leaderboard import Leaderboard
from cytopipe.results.screening import Screenings

if TYPE_CHECKING:
    from cytopipe.deploy.mlflow.registry import Winner

logger = logging.getLogger("cytopipe")


def winners(board: Leaderboard) -> Iterator[Winner]:
    """The classifier of each ranking that the validation images, or out-of-fold predictions, chose."""
    from cytopipe.deploy.mlflow.registry import Winner
    from cytopipe.results.ensemble import PERFORMANCE
    from cytopipe.results.predictions import Predictions

    for title, ranking in board.root.items():
        chosen = ranking.chosen
        if chosen is None:
            logger.info("%s: nothing is registered, because no predictions can choose a classifier", title)
            continue
        (best,) = [row for row in ranking.classifiers if row.name == chosen.name]
        files = paths.classifier(best.name)
        details = ClassifierDetails.read(files.details)
        if details.model is None:
            logger.info("%s: not registered: an earlier version trained its folds, so train it again", best.name)
            continue
        accuracy = best.metrics["accuracy"]
        numbers = {"accuracy": accuracy.value, "accuracy_low": accuracy.low, "accuracy_high": accuracy.high}
        tags = {
            **{name: f"{value:.6g}" for name, value in numbers.items() if value is not None},
            "test_images": str(ranking.test_images),
            "test_groups": str(ranking.test_groups),
            "test_sha256": _hashes(details.test_sha256),
        }
        if best.validation is not None:
            tags["validation_accuracy"] = f"{best.validation:.6g}"
        if ranking.crossvalidated:
            tags["performance"] = PERFORMANCE["folds"]
        validation = Predictions.read(paths.validation(best.name))
        yield Winner(details.dataset, best.name, details.model, files.model, tags, chosen.reason, validation)


def _hashes(found: str | Mapping[str, str]) -> str:
    """The SHA-256 of the tested array, or of each split's where all were tested."""
    return found if isinstance(found, str) else " ".join(f"{split}:{digest}" for split, digest in found.items())


def run(stage: Stage) -> None:
    """Write the leaderboard and what is screened and evaluated; register each dataset's chosen classifier in MLflow."""
    from cytopipe.deploy.mlflow.registry import register, registered_name
    from cytopipe.evaluation.comparison.leaderboard import Entry, leaderboard, to_markdown
    from cytopipe.results.external import Evaluations
    from cytopipe.search_paths import SEARCHES

    board = leaderboard([Entry.read(name, config) for name, config in stage.params.classifiers.items()])
    text = to_markdown(board)
    board.write(stage.output(paths.LEADERBOARD_JSON))
    write_text(stage.output(paths.LEADERBOARD_MD), text)
    # The report depends on these folders, which no other stage creates where there is nothing of their kind.
    Screenings(stage.params.screenings).write(stage.output(paths.SCREENINGS))
    Evaluations(stage.params.evaluations).write(stage.output(paths.EVALUATIONS))
    for note in (paths.EMBEDDINGS, SEARCHES):
        section = note.parent.name
        write_text(stage.output(note), f"A folder for each entry of `{section}:` in params.yaml, if it has any.\n")
    stage.tracker.log_dict(board.plain, "leaderboard.json")
    stage.tracker.log_text(text, "leaderboard.md")
    for winner in winners(board):
        register(stage.tracker, registered_name(stage.params.tracking.experiment, winner.dataset), winner)
    print(text)


if __name__ == "__main__":
    main(run, __doc__, live=True)
