"""`cytopipe sync`: send to MLflow what waits in the project."""

from __future__ import annotations

from pathlib import Path

from cytopipe.cli.common import Debug, clear_errors
from cytopipe.errors import CytopipeError


def command(debug: Debug = False) -> None:
    """Send the runs that wait in .cytopipe/journal to MLflow, those of stages that ran while it was away.

    Stages log into the project; trainings and the report send to MLflow what waits. Use this after a stage that you
    ran alone, or when a server that was down is back. MLFLOW_TRACKING_URI names the server.

    \b
    Examples:
      cytopipe sync
    """
    with clear_errors(debug):
        print(sync())


def sync() -> str:
    """Send all waiting runs and say how many.

    Raises:
        CytopipeError: MLflow cannot be reached, or refuses a run; nothing is lost.
    """
    from cytopipe.core.pipeline.tracking.journal import FOLDER
    from cytopipe.core.pipeline.tracking.sending import send_waiting
    from cytopipe.core.pipeline.tracking.store import keep_quiet, project_folder, tracking_uri, without_credentials

    keep_quiet()
    from cytopipe.deploy.mlflow.log import log_remembered

    project = project_folder(Path())
    uri = tracking_uri(project)
    store = without_credentials(uri)
    try:
        sent = send_waiting(uri, project, wait=True, send_model=log_remembered)
    # Broad on purpose, as in `Tracker`: MLflow's, the drivers' and the stores' own errors become one message.
    except Exception as error:
        fault = without_credentials(f"{type(error).__name__}: {error}").splitlines()[0]
        raise CytopipeError(
            f"MLflow cannot take the runs that wait ({fault})",
            where=store,
            hint=f"they stay in {FOLDER}; try again when it is back",
        ) from error
    if sent.refused:
        raise CytopipeError(
            f"MLflow refuses {sent.refused[0]}",
            where=store,
            hint=f"{len(sent.refused)} run(s) lie in {FOLDER.with_name('journal-refused')} now; {sent.runs} were sent",
        )
    return f"{sent.runs} run(s) sent to {store}"
