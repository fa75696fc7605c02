"""The files of a finished search: the best parameters, a row a trial, the summary, and the tables of its pictures."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState

from cytopipe.core.io.atomic import write_text
from cytopipe.core.io.tables import write_table
from cytopipe.core.params.found import PARAMETERS
from cytopipe.core.params.searches import rungs
from cytopipe.results.numbers import Estimate
from cytopipe.results.search import SearchResult
from cytopipe.search.figures import history_figure, importance_figure, parallel_figure
from cytopipe.search.run import Searched, SearchJob
from cytopipe.search.space import configure
from cytopipe.search.trials import OUT_OF_TIME, WHY, Trials
from cytopipe.search_paths import Searched as Files

logger = logging.getLogger("cytopipe")
COMPLETED, STOPPED, FAILED = "completed", "stopped", "failed"
Row = dict[str, Any]


def write_search(folder: Path, job: SearchJob, searched: Searched, start_sha256: str) -> SearchResult:
    """Write all files of a search into an empty folder, and return its summary.

    Args:
        folder: to write to.
        job: the search.
        searched: what it found.
        start_sha256: SHA-256 of what the base starts from; with it, best.yaml changes when that does.
    """
    files, space = Files(job.name), sorted(job.search.space)
    rows = trial_rows(searched.trials)
    result = summarise(job, searched, rows)
    write_text(folder / files.best.name, best_text(job, searched.trials, start_sha256))
    columns = ["trial", "state", "epochs", "value", "reason", *space]
    write_table(folder / files.trials.name, rows, columns)
    write_table(folder / files.nested.name, _fold_rows(result, space), ["fold", "images", "inner", "outer", *space])
    result.write(folder / files.summary.name)
    for name in (files.plots.name, files.figures.name):
        (folder / name).mkdir()
    better = max if searched.trials.sign > 0 else min
    history, best = list[Row](), list[float]()
    for row in rows:
        if row["state"] == COMPLETED:
            best.append(better([*best[-1:], row["value"]]))
            history.append({"trial": row["trial"], "value": row["value"], "best": best[-1]})
    shares = [{"parameter": name, "share": share} for name, share in result.importance.items()]
    write_table(folder / files.plots.name / "history.csv", history, ["trial", "value", "best"])
    write_table(folder / files.plots.name / "importance.csv", shares, ["parameter", "share"])
    figures = folder / files.figures.name
    history_figure(figures / "history.png", rows, history, result)
    importance_figure(figures / "importance.png", result.importance)
    parallel_figure(figures / "parallel.png", rows, job.search, result)
    return result


def trial_rows(trials: Trials) -> list[Row]:
    """A row a trial: its number, how it ended, epochs, objective, why it failed, and its values as JSON by path."""
    return [_trial_row(trials, trial) for trial in trials.finished]


def _trial_row(trials: Trials, trial: FrozenTrial) -> Row:
    values, reason = trial.intermediate_values, trial.user_attrs.get(WHY, "")
    last = max(values, default=0)
    failed = bool(reason) and reason != OUT_OF_TIME
    state = COMPLETED if trial.state == TrialState.COMPLETE else FAILED if failed else STOPPED
    found = {path: _shown(value) for path, value in trials.found(trial).items()}
    value = trials.sign * values[last] if last else None
    return {
        "trial": trial.user_attrs["slot"],
        "state": state,
        "epochs": last,
        "value": value,
        "reason": reason,
        **found,
    }


def _shown(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else json.dumps(value, sort_keys=True)


def summarise(job: SearchJob, searched: Searched, rows: Sequence[Mapping[str, Any]]) -> SearchResult:
    """The summary of a search."""
    search, learner, trials = job.search, job.learner, searched.trials
    assert learner.base.training is not None  # a base has one
    states = [row["state"] for row in rows]
    best = trials.best
    return SearchResult(
        kind=search.kind,
        base=search.base,
        dataset=learner.base.dataset,
        objective=search.measure,
        images=len(learner.labels),
        groups=len(set(learner.groups)),
        inner_folds=search.folds.inner,
        outer_folds=search.folds.outer,
        trials=len(rows),
        completed=states.count(COMPLETED),
        stopped=states.count(STOPPED),
        failed=states.count(FAILED),
        epochs_trained=sum(row["epochs"] for row in rows),
        epochs_full=len(rows) * rungs(learner.base.training.epochs, None)[0],
        best=best.user_attrs["slot"],
        found=trials.found(best),
        flat=Estimate.of(searched.flat),
        nested=None if searched.nested is None else Estimate.of(searched.nested),
        folds=searched.folds,
        importance=importance(trials),
    )


def importance(trials: Trials) -> dict[str, float]:
    """The share of the objective's variation that each parameter explains among the better trials, largest first.

    PED-ANOVA: Watanabe et al. 2023, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
    Subspaces", arXiv:2304.10255. Empty where too few trials were completed to tell.
    """
    if len({trial.value for trial in trials.completed}) < 2:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is experimental
            found = optuna.importance.get_param_importances(trials.study, evaluator=evaluator)
    except (ValueError, RuntimeError, ZeroDivisionError) as error:  # all values equal, or one trial in the better part
        logger.info("the importance of parameters cannot be told: %s", error)
        return {}
    ordered = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    return {name: float(share) for name, share in ordered if share == share}


def best_text(job: SearchJob, trials: Trials, start_sha256: str) -> str:
    """The best parameters as YAML: a whole entry of params.yaml, and beside it what of it was found."""
    found = trials.found(trials.best)
    config = configure(job.learner, found, job.name)
    content = {
        "search": job.name,
        "base": job.search.base,
        "found": found,
        "start_sha256": start_sha256,
        PARAMETERS: config.model_dump(mode="json"),
    }
    head = f"# Found by the search '{job.name}'; from_search: {job.name} takes the parameters below.\n"
    return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def _fold_rows(result: SearchResult, space: Sequence[str]) -> list[Row]:
    return [
        {
            "fold": one.fold,
            "images": one.images,
            "inner": one.inner,
            "outer": one.outer,
            **{path: _shown(one.found[path]) for path in space if path in one.found},
        }
        for one in result.folds
    ]
