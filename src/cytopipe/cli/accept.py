"""`cytopipe accept`: make the classifier that `compare` chose the registered best, without a resolved gain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cytopipe.cli.common import Debug, clear_errors
from cytopipe.errors import CytopipeError

Dataset = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="Dataset of the classifier, as in params.yaml, or the title of a ranking ('herlev, 5 folds').",
    ),
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; MLflow keeps it as a tag of the version.")]


def command(dataset: Dataset, reason: Reason, debug: Debug = False) -> None:
    """Point MLflow's alias `best` of a dataset at the classifier that `compare` chose.

    `compare` chooses by validation images and moves the alias only where the gain over the present model is resolved.
    This command moves it on a person's word.

    \b
    Examples:
      cytopipe accept cervix --reason "the same accuracy with a tenth of the parameters"
    """
    with clear_errors(debug):
        print(accept(dataset, reason))


def accept(dataset: str, reason: str) -> str:
    """Move the alias and say so.

    Raises:
        CytopipeError: if there is no such ranking, no choice, or no version of the chosen model.
    """
    from cytopipe import paths
    from cytopipe.core.params import load_params
    from cytopipe.core.pipeline.tracking.store import open_store, project_folder, tracking_uri
    from cytopipe.deploy.mlflow import registry
    from cytopipe.results.classifier import ClassifierDetails
    from cytopipe.results.leaderboard import Leaderboard

    rankings = Leaderboard.read(paths.LEADERBOARD_JSON).root
    # A dataset whose classifiers are all cross-validated has one ranking, with the folds in its title.
    titles = [dataset] if dataset in rankings else [title for title in rankings if title.startswith(f"{dataset}, ")]
    if len(titles) > 1:
        named = ", ".join(f"'{title}'" for title in titles)
        raise CytopipeError(
            f"'{dataset}' has several rankings", where=paths.LEADERBOARD_JSON, hint=f"name one: {named}"
        )
    ranking = rankings[titles[0]] if titles else None
    if ranking is None or ranking.chosen is None:
        raise CytopipeError(
            f"nothing was chosen for '{dataset}'", where=paths.LEADERBOARD_JSON, hint="dvc repro compare"
        )
    name, chosen = ranking.chosen.name, paths.classifier(ranking.chosen.name)
    details = ClassifierDetails.read(chosen.details)
    identity, dataset = details.model or "", details.dataset
    experiment = load_params(paths.PARAMS).tracking.experiment
    folder = project_folder(Path())
    client = open_store(tracking_uri(folder), experiment, folder).client
    registered = registry.registered_name(experiment, dataset)
    version = registry.accept(client, registered, identity, reason)
    return f"version {version}, {name}, is models:/{registered}@best"
