"""Register the chosen classifier of each dataset in MLflow's model registry; `alias` says when `best` moves to it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cytopipe.core.pipeline.tracking.names import MAX_TAG, shorten
from cytopipe.core.pipeline.tracking.sending import Run
from cytopipe.core.pipeline.tracking.store import CALL_S, bounded
from cytopipe.core.pipeline.tracking.tracker import Tracker
from cytopipe.deploy.mlflow import alias
from cytopipe.deploy.mlflow.log import IDENTITY, find_logged, send
from cytopipe.errors import CytopipeError
from cytopipe.models.files import SUMS, model_id
from cytopipe.results.predictions import Predictions

CHOICE = "choice"  # tag of a version: why this classifier was chosen among those of its run
_EXISTS = ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS")
_VERSIONS = "mlflow.modelVersions"  # tag with which MLflow's interface links a logged model to its versions

log = logging.getLogger("cytopipe")


@dataclass(frozen=True)
class Winner:
    """The chosen classifier of a dataset.

    Attributes:
        dataset: name of the dataset whose validation images (or out-of-fold predictions) chose it.
        classifier: name of the classifier.
        identity: `model_id` of the tested model folder.
        folder: path of this folder; it may have changed since the test.
        tags: results of the test, as tags of the version.
        choice: the reason of the choice.
        validation: its predictions of the validation images; of a cross-validation, its out-of-fold predictions.
    """

    dataset: str
    classifier: str
    identity: str
    folder: Path
    tags: Mapping[str, str]
    choice: str
    validation: Predictions


def registered_name(experiment: str, dataset: str) -> str:
    """`<experiment>-<dataset>`, with the two characters that MLflow rejects in such names replaced."""
    return re.sub("[/:]", "_", f"{experiment}-{dataset}")


def register(tracker: Tracker, name: str, winner: Winner) -> None:
    """Make the winner a version, and point `models:/<name>@best` at it if that is a resolved gain.

    A version is created only for a model that has none. The alias moves if it points nowhere yet, or if the winner is
    better on the validation images than the version it points to (`alias.gain`); else `cytopipe accept` moves it.

    The version belongs to the logged model with the winner's identity, whichever run trained it. If MLflow has no such
    model (tracking was off, the database is new, the outputs came from a cache), the folder is logged now, provided
    that it is still the tested one. The outcome is logged in one line; a failure of MLflow is only a warning.

    Args:
        tracker: tracker of the stage.
        name: name of the registered model.
        winner: the chosen classifier.
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
                f"{winner.folder} is another or missing. Restore it (dvc checkout {winner.folder}), then run: "
                "dvc repro -sf compare"
            )
        tags = {"classifier": winner.classifier, "dataset": winner.dataset}
        logged = [send(run, winner.folder, winner.classifier, tags)]
    version = _version(run, name, logged)
    commit = {"commit": logged[0].tags["commit"]} if "commit" in logged[0].tags else {}
    before = alias.present(run.client, name)
    moves, reason = _verdict(run, before, winner)
    table = alias.table_of(winner.identity)
    bounded(lambda: run.client.log_text(run.run_id, winner.validation.text, table), CALL_S)
    tags = {IDENTITY: winner.identity, "classifier": winner.classifier, **winner.tags, **commit}
    kept = {CHOICE: winner.choice, alias.VALIDATED: run.run_id, alias.REASON: reason}
    for key, value in {**tags, **kept}.items():
        bounded(partial(run.client.set_model_version_tag, name, version, key, shorten(value, MAX_TAG)), CALL_S)
    if moves:
        alias.move(run.client, name, version, reason)
        return f"version {version}, {winner.classifier}, is models:/{name}@{alias.BEST} ({reason})"
    stays = f"models:/{name}@{alias.BEST} stays version {before.version if before else '-'}"
    return f"version {version}, {winner.classifier}: {reason}; {stays} until `cytopipe accept {winner.dataset}`"


def _verdict(run: Run, before: Any | None, winner: Winner) -> tuple[bool, str]:
    """Whether the alias moves to the winner's version, and why."""
    if before is None:
        return True, "the first version"
    if before.tags.get(IDENTITY) == winner.identity:  # the same model, maybe logged again
        return True, str(before.tags.get(alias.REASON, "the first version"))
    return alias.gain(run.client, before, winner.validation)


def _version(run: Run, name: str, logged: list[Any]) -> str:
    """The latest version of these logged models; if there is none, it is created for the newest of them."""
    client = run.client
    _create_registered(client, name)
    places = {one.artifact_location for one in logged}  # the database has no other link to the logged model
    versions = bounded(lambda: list(client.search_model_versions(f"name = '{name}'")), CALL_S)
    mine = [int(one.version) for one in versions if one.source in places]
    if mine:
        return str(max(mine))
    newest = logged[0]
    # By location, because a source `models:/m-...` is looked up in the store of the environment, which may differ.
    made = bounded(
        lambda: client.create_model_version(
            name, newest.artifact_location, run_id=newest.source_run_id, model_id=newest.model_id
        ),
        CALL_S,
    )
    listed = [*json.loads(newest.tags.get(_VERSIONS, "[]")), {"name": name, "version": made.version}]
    bounded(lambda: client.set_logged_model_tags(newest.model_id, {_VERSIONS: json.dumps(listed)}), CALL_S)
    return str(made.version)


def accept(client: Any, name: str, identity: str, reason: str) -> str:
    """Point `models:/<name>@best` at the version of a model, whatever the comparison said.

    Args:
        client: MLflow's client.
        name: name of the registered model.
        identity: `model_id` of the model.
        reason: kept as a tag of the version.

    Returns:
        The number of the version.

    Raises:
        CytopipeError: if no version is of this model.
    """
    versions = bounded(lambda: list(client.search_model_versions(f"name = '{name}'")), CALL_S)
    mine = [int(one.version) for one in versions if one.tags.get(IDENTITY) == identity]
    if not mine:
        raise CytopipeError(f"{name} has no version of the model {identity}", hint="dvc repro -sf compare")
    alias.move(client, name, str(max(mine)), shorten(f"accepted: {reason}", MAX_TAG))
    return str(max(mine))


def _create_registered(client: Any, name: str) -> None:
    """Create the registered model unless it exists; another process may create it at the same moment."""
    from mlflow.exceptions import MlflowException

    try:
        bounded(lambda: client.create_registered_model(name), CALL_S)
    except MlflowException as error:
        if error.error_code not in _EXISTS:
            raise
