"""Log a trained classifier in the MLflow run that trained it, and find it again."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cytopipe import paths
from cytopipe.core.pipeline.tracking.names import MAX_TAG, shorten
from cytopipe.core.pipeline.tracking.sending import Run
from cytopipe.core.pipeline.tracking.store import CALL_S, bounded
from cytopipe.core.pipeline.tracking.tracker import Tracker
from cytopipe.deploy.mlflow.package import write_package
from cytopipe.models.files import model_id
from cytopipe.models.members import is_usable
from cytopipe.results.ensemble import Ensemble

logger = logging.getLogger("cytopipe")

PERFORMANCE = "performance"  # tag, of several networks: what their measured performance is an estimate of
IDENTITY = "identity"  # tag: `model_id` of the folder
_SLOWEST = 1_000_000  # lowest upload speed to wait for, bytes per second


def log_model(tracker: Tracker, folder: Path, name: str, tags: Mapping[str, str]) -> None:
    """Log a model folder with signature and input example in the tracker's run; equal models are stored only once.

    If MLflow fails, a single warning is logged, and `cytopipe sync` logs the model later. Several networks (folds or
    seeds) are one model, whose tag says what its measured performance is an estimate of.

    Args:
        tracker: tracker of the stage.
        folder: a classifier's model folder.
        name: name of the logged model.
        tags: tags in addition to the identity and the commit.
    """
    if is_usable(folder) and not tracker.attempt(lambda run: _log(run, folder, name, tags)):
        tracker.remember_model(name=name, tags=dict(tags), identity=model_id(folder))


def log_remembered(run: Run, model: Mapping[str, Any]) -> None:
    """Log a model that `log_model` could not log, provided that its folder still holds it; else say so.

    Raises:
        Exception: any exception of MLflow.
    """
    folder = paths.classifier(model["name"]).model
    if is_usable(folder) and model_id(folder) == model["identity"]:
        _log(run, folder, model["name"], model["tags"])
    else:
        logger.warning("%s holds another model by now: that of the run is not logged", folder)


def _log(run: Run, folder: Path, name: str, tags: Mapping[str, str]) -> bool:
    """Log the model and return True; known ones are named only."""
    known = find_logged(run, model_id(folder))
    if known:
        _name_as_output(run, known[0])
    else:
        send(run, folder, name, tags)
    return True


def send(run: Run, folder: Path, name: str, tags: Mapping[str, str]) -> Any:
    """Log a model folder in an open run; returns MLflow's `LoggedModel`.

    Raises:
        Exception: any exception of MLflow; the incomplete model is then marked as failed.
    """
    from mlflow.entities import LoggedModelStatus
    from mlflow.models import Model

    client = run.client
    params = bounded(lambda: client.get_run(run.run_id).data.params, CALL_S)
    commit = {"commit": run.tags["commit"]} if "commit" in run.tags else {}
    ensemble = Ensemble.read(folder)
    about = {PERFORMANCE: shorten(ensemble.performance, MAX_TAG)} if ensemble else {}
    logged = bounded(
        lambda: client.create_logged_model(
            run.experiment_id,
            name,
            source_run_id=run.run_id,
            tags={IDENTITY: model_id(folder), **about, **tags, **commit},
            params=params,
            model_type="classifier",
        ),
        CALL_S,
    )
    number = logged.model_id
    try:
        with tempfile.TemporaryDirectory() as temporary:
            package = Path(temporary) / "model"
            place = logged.artifact_location
            described = Model(artifact_path=place, run_id=run.run_id, model_uuid=number, model_id=number)
            write_package(folder, package, described)
            size = sum(file.stat().st_size for file in package.rglob("*"))
            bounded(lambda: client.log_model_artifacts(number, str(package)), CALL_S + size / _SLOWEST)
        _name_as_output(run, logged)
        return bounded(lambda: client.finalize_logged_model(number, LoggedModelStatus.READY), CALL_S)
    except BaseException:  # also an interrupt: an incomplete upload must not look like a model
        bounded(lambda: client.finalize_logged_model(number, LoggedModelStatus.FAILED), CALL_S)
        raise


def _name_as_output(run: Run, logged: Any) -> None:
    from mlflow.entities import LoggedModelOutput

    bounded(lambda: run.client.log_outputs(run.run_id, [LoggedModelOutput(logged.model_id, step=0)]), CALL_S)


def find_logged(run: Run, identity: str) -> list[Any]:
    """The `LoggedModel`s with this identity whose files still exist, newest first."""
    found = bounded(
        lambda: run.client.search_logged_models(
            [run.experiment_id],
            filter_string=f"tags.{IDENTITY} = '{identity}'",
            order_by=[{"field_name": "creation_timestamp", "ascending": False}],
        ),
        CALL_S,
    )
    return [one for one in found if one.status == "READY" and _has_files(run, one)]


def _has_files(run: Run, logged: Any) -> bool:
    """True if the file MLmodel of a logged model exists; mlruns/ may have been deleted beside the database."""
    files = bounded(lambda: run.client.list_logged_model_artifacts(logged.model_id), CALL_S)
    return any(file.path == "MLmodel" for file in files)
