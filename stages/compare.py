"""Compare all classifiers on the same test images: leaderboard.json and leaderboard.md."""

from __future__ import annotations

import json
from pathlib import Path

from cytopipe import paths
from cytopipe.evaluation.leaderboard import Entry, leaderboard, read_predictions, to_markdown
from cytopipe.files import write_json, write_text
from cytopipe.params import Classifier, Params
from cytopipe.stage import Stage, main


def inputs(params: Params, item: str) -> list[Path]:
    """What this stage reads: the results of every classifier in the parameters."""
    trained = [paths.classifier(name) for name in params.classifiers]
    return [path for one in trained for path in (one.metrics, one.summary, one.predictions)]


def read_entry(name: str, config: Classifier) -> Entry:
    """One classifier's results."""
    trained = paths.classifier(name)
    metrics = json.loads(trained.metrics.read_text())
    summary = json.loads(trained.summary.read_text())
    about = {key: summary[key] for key in ("dataset", "architecture", "channels", "parameters")}
    ids, groups, correct = read_predictions(trained.predictions)
    settings = config.model_dump(exclude={"channels"})
    return Entry(name=name, metrics=metrics, ids=ids, groups=groups, correct=correct, settings=settings, **about)


def run(stage: Stage) -> None:
    """Write results/leaderboard.json, results/leaderboard.md and results/screenings/screenings.json."""
    board = leaderboard([read_entry(name, config) for name, config in stage.params.classifiers.items()])
    text = to_markdown(board)
    write_json(stage.output(paths.LEADERBOARD_JSON), board)
    write_text(stage.output(paths.LEADERBOARD_MD), text)
    # The report depends on this folder, which no stage would make where there is nothing to screen.
    asked = {name: config.model_dump(mode="json") for name, config in stage.params.screenings.items()}
    write_json(stage.output(paths.SCREENINGS), asked)
    stage.tracker.log_dict(board, "leaderboard.json")
    stage.tracker.log_text(text, "leaderboard.md")
    print(text)


if __name__ == "__main__":
    main("compare", run, inputs, __doc__)
