"""When the alias `best` moves: only to a model whose gain over the present one is resolved, or by acceptance."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from cytopipe.core.pipeline.tracking.store import CALL_S, bounded
from cytopipe.errors import CytopipeError
from cytopipe.metrics.comparison import ALPHA
from cytopipe.metrics.paired import paired_difference
from cytopipe.results.predictions import Predictions

BEST = "best"
REASON = "reason"  # tag of a version: why the alias points to it, or does not
VALIDATED = "validation_run"  # tag of a version: the run that holds its predictions of the validation images
FOLDER = "validation"  # of these tables in the run


def table_of(identity: str) -> str:
    """Path, in a run, of a model's predictions of the validation images."""
    return f"{FOLDER}/{identity}.csv"


def present(client: Any, name: str) -> Any | None:
    """The version under the alias; None if the alias points nowhere."""
    from mlflow.exceptions import MlflowException

    try:
        return bounded(lambda: client.get_model_version_by_alias(name, BEST), CALL_S)
    except MlflowException:
        return None


def gain(client: Any, before: Any, now: Predictions) -> tuple[bool, str]:
    """Whether a model is better than the version that it would replace, and the reason in words.

    Both are compared on the validation images, by the cluster t-test over groups: the test chooses no model.
    Cross-validated ones are compared with each other only, on their out-of-fold predictions of all images.

    Args:
        client: MLflow's client.
        before: the present version.
        now: the new model's predictions of the validation images.
    """
    known = _validation(client, before)
    against = f"version {before.version}"
    if known is None or not known.rows:
        return False, f"{against} has no predictions of validation images to compare with"
    if (known.ids, known.groups) != (now.ids, now.groups):
        return False, f"{against} was validated on other images"
    found = paired_difference(now.correct - known.correct, now.groups)
    said = f"validation accuracy {found.estimate:+.3f} against {against}"
    if found.p is None or found.low is None or found.high is None:
        return False, f"{said}, which {found.groups} groups cannot resolve"
    said += f" (95 % {found.low:+.3f} to {found.high:+.3f}, p {found.p:.2g})"
    better = found.estimate > 0 and found.p < ALPHA
    return better, f"{said}: {'a resolved gain' if better else 'no resolved gain'}"


def _validation(client: Any, version: Any) -> Predictions | None:
    run, identity = version.tags.get(VALIDATED), version.tags.get("identity")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    if not run or not identity:
        return None
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = bounded(lambda: client.download_artifacts(run, table_of(identity), folder), CALL_S)
            return Predictions.read(Path(path))
    except (OSError, CytopipeError):
        return None
    except Exception as error:  # MLflow raises many types for a missing artifact
        if isinstance(error, TimeoutError):
            raise
        return None


def move(client: Any, name: str, version: str, reason: str) -> None:
    """Point the alias at a version and keep the reason; try again if another process made the alias just now."""
    from mlflow.exceptions import MlflowException

    bounded(lambda: client.set_model_version_tag(name, version, REASON, reason), CALL_S)
    try:
        bounded(lambda: client.set_registered_model_alias(name, BEST, version), CALL_S)
    except MlflowException:
        bounded(lambda: client.set_registered_model_alias(name, BEST, version), CALL_S)
