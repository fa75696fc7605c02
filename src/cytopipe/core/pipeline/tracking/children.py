"""Runs below a run in MLflow, such as the trials of a search: sent with the run that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cytopipe.core.pipeline.tracking.names import MAX_PARAM, MAX_TAG, safe_name, shorten
from cytopipe.core.pipeline.tracking.store import CALL_S, bounded

PARENT = "mlflow.parentRunId"  # the tag by which MLflow shows a run below another


@dataclass(frozen=True)
class Child:
    """A finished run below another.

    Attributes:
        name: its name, unique below its parent.
        params, tags: texts by name.
        metric: name of its metric.
        steps: values of the metric by step.
        start_ms, end_ms: milliseconds since 1970.
    """

    name: str
    params: Mapping[str, str]
    metric: str
    steps: Mapping[int, float]
    tags: Mapping[str, str]
    start_ms: int
    end_ms: int

    @property
    def call(self) -> dict[str, Any]:
        """As JSON holds it, for the journal."""
        steps = [[step, value] for step, value in self.steps.items()]
        return {**asdict(self), "steps": steps}


def send_child(client: Any, experiment_id: str, parent: str, child: Mapping[str, Any]) -> None:
    """Create a run below another, whole; one that was created before is left, so that sending again changes nothing.

    Raises:
        Exception: any error of MLflow.
    """
    from mlflow.entities import Metric, Param

    # By a tag, because MLflow's filter takes no quotation mark in a name.
    key = safe_name(child["name"])
    known = bounded(
        lambda: client.search_runs([experiment_id], f"tags.`{PARENT}` = '{parent}' and tags.child = '{key}'"), CALL_S
    )
    if any(run.info.status == "FINISHED" for run in known):
        return
    tags = {name: shorten(value, MAX_TAG) for name, value in child["tags"].items()}
    tags |= {PARENT: parent, "child": key}
    run_id = (
        known[0].info.run_id
        if known
        else bounded(
            lambda: client.create_run(experiment_id, child["start_ms"], tags=tags, run_name=child["name"]), CALL_S
        ).info.run_id
    )
    params = [Param(safe_name(name), shorten(value, MAX_PARAM)) for name, value in child["params"].items()]
    metrics = [Metric(safe_name(child["metric"]), value, child["end_ms"], step) for step, value in child["steps"]]
    bounded(lambda: client.log_batch(run_id, metrics=metrics, params=params, synchronous=True), CALL_S)
    bounded(lambda: client.set_terminated(run_id, "FINISHED", child["end_ms"]), CALL_S)
