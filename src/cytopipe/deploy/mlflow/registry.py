"""The best classifier of each dataset, in MLflow's model registry under the alias `best`."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cytopipe.deploy.mlflow.log import IDENTITY, find_logged, send
from cytopipe.models.files import SUMS, model_id
from cytopipe.pipeline.tracking.store import CALL_S, bounded
from cytopipe.pipeline.tracking.tracker import Run, Tracker

BEST = "best"
_EXISTS = ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS")
_VERSIONS = "mlflow.modelVersions"  # tag by which MLflow's pages lead from a logged model to its versions

log = logging.getLogger("cytopipe")


@dataclass(frozen=True)
class Winner:
    """The best classifier of a dataset.

    Attributes:
        dataset: whose test images chose it.
        classifier: its name.
        identity: `model_id` of the folder that was tested.
        folder: where it lies, if it is still that one.
        tags: what the test said.
    """

    dataset: str
    classifier: str
    identity: str
    folder: Path
    tags: Mapping[str, str]


def registered_name(experiment: str, dataset: str) -> str:
    """`<experiment>-<dataset>` without the two characters that MLflow refuses in the name of a registered model."""
    return re.sub("[/:]", "_", f"{experiment}-{dataset}")


def register(tracker: Tracker, name: str, winner: Winner) -> None:
    """Point `models:/<name>@best` at the winner; a new version only for a model that has none.

    The version is of a logged model with the winner's identity, whichever run trained it: not of the latest. Where
    MLflow holds none (tracking was off, the database is new, the outputs came from a cache), the folder is logged now,
    if it is still the one that was tested. One line says how it went; nothing fails.
    """
    if not tracker.enabled:
        log.info("%s: not registered, as tracking is off", name)
        return
    said = tracker.attempt(lambda run: _register(run, name, winner))
    if said:
        log.info("%s: %s", name, said)


def _register(run: Run, name: str, winner: Winner) -> str:
    logged = find_logged(run, winner.identity)
    if not logged:
        if not (winner.folder / SUMS).is_file() or model_id(winner.folder) != winner.identity:
            return (
                f"not registered: MLflow holds no model {winner.identity} of {winner.classifier}, and "
                f"{winner.folder} is another or missing. Bring it back (dvc checkout {winner.folder}), then: "
                "dvc repro -sf compare"
            )
        tags = {"classifier": winner.classifier, "dataset": winner.dataset}
        logged = [send(run, winner.folder, winner.classifier, tags)]
    version = _version(run, name, logged)
    commit = {"commit": logged[0].tags["commit"]} if "commit" in logged[0].tags else {}
    tags = {IDENTITY: winner.identity, "classifier": winner.classifier, **winner.tags, **commit}
    for key, value in tags.items():
        bounded(lambda key=key, value=value: run.client.set_model_version_tag(name, version, key, value), CALL_S)  # type: ignore[misc]
    _set_alias(run.client, name, version)
    return f"version {version}, {winner.classifier}, is models:/{name}@{BEST}"


def _version(run: Run, name: str, logged: list[Any]) -> str:
    """The version of one of these logged models; created for the newest where none has one."""
    client = run.client
    _create_registered(client, name)
    places = {one.artifact_location for one in logged}  # a database keeps no other link to the logged model
    versions = bounded(lambda: list(client.search_model_versions(f"name = '{name}'")), CALL_S)
    mine = [int(one.version) for one in versions if one.source in places]
    if mine:
        return str(max(mine))
    newest = logged[0]
    # By its place: a source `models:/m-...` is looked up in the store of the environment, which may be another.
    made = bounded(
        lambda: client.create_model_version(
            name, newest.artifact_location, run_id=newest.source_run_id, model_id=newest.model_id
        ),
        CALL_S,
    )
    listed = [*json.loads(newest.tags.get(_VERSIONS, "[]")), {"name": name, "version": made.version}]
    bounded(lambda: client.set_logged_model_tags(newest.model_id, {_VERSIONS: json.dumps(listed)}), CALL_S)
    return str(made.version)


def _set_alias(client: Any, name: str, version: str) -> None:
    """Point the alias at a version; once more where another process made the alias at the same moment."""
    from mlflow.exceptions import MlflowException

    try:
        bounded(lambda: client.set_registered_model_alias(name, BEST, version), CALL_S)
    except MlflowException:
        bounded(lambda: client.set_registered_model_alias(name, BEST, version), CALL_S)


def _create_registered(client: Any, name: str) -> None:
    """The registered model, made if need be; another process may have been first."""
    from mlflow.exceptions import MlflowException

    try:
        bounded(lambda: client.create_registered_model(name), CALL_S)
    except MlflowException as error:
        if error.error_code not in _EXISTS:
            raise
