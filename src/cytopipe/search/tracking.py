"""A search in MLflow: its own run is the parent, and each trial has a run below it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cytopipe.core.pipeline.tracking.children import Child
from cytopipe.core.pipeline.tracking.tracker import Tracker
from cytopipe.results.search import SearchResult
from cytopipe.search.run import Searched, SearchJob
from cytopipe.search.trials import SECONDS
from cytopipe.search_paths import Searched as Files


def track_trials(tracker: Tracker, job: SearchJob, searched: Searched, result: SearchResult, folder: Path) -> None:
    """Log the numbers, files and pictures of a search, and every trial as a run below.

    Args:
        tracker: run of the stage.
        job: the search.
        searched: what it found.
        result: its summary.
        folder: of its files.
    """
    trials, files = searched.trials, Files(job.name)
    estimates = {"flat": result.flat, "nested": result.nested}
    numbers = {f"{name}_{result.objective}": one.value for name, one in estimates.items() if one is not None}
    counts = {"trials": result.trials, "completed": result.completed, "stopped": result.stopped}
    tracker.log_metrics({name: value for name, value in (numbers | counts).items() if value is not None})
    for picture in sorted((folder / files.figures.name).glob("*.png")):
        tracker.log_figure(picture)
    for table in (files.trials, files.nested):
        tracker.log_table(folder / table.name)
    tracker.log_text((folder / files.best.name).read_text(encoding="utf-8"), files.best.name)
    for trial in trials.finished:
        slot = trial.user_attrs["slot"]
        steps = {epoch: trials.sign * value for epoch, value in trial.intermediate_values.items()}
        tracker.log_child(
            Child(
                name=f"{job.name} trial {slot}",
                params={path: str(value) for path, value in trials.found(trial).items()},
                metric=result.objective,
                steps=steps,
                tags={
                    "trial": str(slot),
                    "state": trial.state.name.lower(),
                    "seconds": f"{trial.user_attrs.get(SECONDS, 0):.1f}",
                },
                start_ms=_ms(trial.datetime_start),
                end_ms=_ms(trial.datetime_complete),
            )
        )


def _ms(time: datetime | None) -> int:
    return int(time.timestamp() * 1000) if time else 0
