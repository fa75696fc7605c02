"""`cytopipe encoders`: the encoders of a dataset in a table."""

from __future__ import annotations

from typing import Annotated

import typer

from cytopipe.cli.common import AsJson, Debug, clear_errors, print_json
from cytopipe.errors import CytopipeError

Dataset = Annotated[str | None, typer.Option("--dataset", help="Only the encoders of this dataset.")]


def command(dataset: Dataset = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Compare the encoders of params.yaml on the test images of their dataset.

    Each encoder is ranked by the probe that validation images, or inner folds, chose for it. Differences are paired
    and corrected for their number. `dvc repro embed@NAME` computes an entry of `embeddings:`.

    \b
    Examples:
      cytopipe encoders
      cytopipe encoders --dataset cervix --json
    """
    with clear_errors(debug):
        from cytopipe import paths
        from cytopipe.core.params import load_params
        from cytopipe.embeddings.cache import seconds_of
        from cytopipe.evaluation.comparison.encoders import encoder_tables, read_encoders, to_markdown

        embeddings = load_params(paths.PARAMS).embeddings
        found = [one for one in read_encoders(embeddings) if dataset in (None, one.probes.dataset)]
        if not found:
            of_which = f" of '{dataset}'" if dataset else ""
            raise CytopipeError(
                f"no embedding{of_which} is computed",
                where=paths.PARAMS,
                hint="name encoders under embeddings:, then run dvc repro embed@NAME for each",
            )
        tables, seconds = encoder_tables(found), seconds_of([one.name for one in found])
        if as_json:
            values = {name: table.model_dump(mode="json") for name, table in tables.items()}
            print_json({"tables": values, "seconds": seconds})
        else:
            print(to_markdown(tables, seconds))
