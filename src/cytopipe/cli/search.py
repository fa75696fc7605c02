"""`cytopipe search`: a process that helps with the trials of a search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cytopipe import paths
from cytopipe.cli.common import Debug, clear_errors
from cytopipe.errors import CytopipeError

Name = Annotated[str, typer.Argument(help="Name of a search in params.yaml.")]


def command(name: Name, debug: Debug = False) -> None:
    """Work on the trials of a search, beside others; start as many as you like.

    They share the trials through files in .cytopipe/searches (or the database that CYTOPIPE_SEARCH_STORAGE names), and
    end when none is left. The stage, `dvc repro search@NAME`, may run beside them or afterwards: it writes the results.
    A process that is killed loses nothing: another one trains its trial on from the last epoch.

    \b
    Examples:
      cytopipe search topology & cytopipe search topology & wait; dvc repro search@topology
      sbatch --array=1-8 --wrap "cytopipe search topology"          eight on a cluster
    """
    with clear_errors(debug):
        help_search(name)


def help_search(name: str) -> None:
    """Work on the trials of a search until all are finished.

    Raises:
        CytopipeError: there is no such search, an input is missing, or no trial could be trained.
    """
    import logging
    import sys
    import tempfile

    from cytopipe.core.params import load_params
    from cytopipe.core.pipeline.description import read_description
    from cytopipe.core.pipeline.inputs import input_hashes
    from cytopipe.core.pipeline.processor import fix

    params = load_params(paths.PARAMS)
    if name not in params.searches:
        known = ", ".join(params.searches) or "none"
        raise CytopipeError(f"there is no '{name}' in searches", where=paths.PARAMS, hint=f"known: {known}")
    fix(params.runtime.num_threads, params.runtime.cpu)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logger = logging.getLogger("cytopipe")
    logger.setLevel(logging.INFO)
    inputs = input_hashes(read_description(Path("dvc.yaml")), "search", name, params, closed=("test.npy",))

    from cytopipe.search.prepare import prepare_search
    from cytopipe.search.run import work
    from cytopipe.training.workspace import Workspace

    with tempfile.TemporaryDirectory(prefix="cytopipe-search-") as scratch:
        workspace = Workspace.of_runtime(params.runtime, Path(scratch), Path(scratch))
        work(prepare_search(params, name, inputs, workspace, logger.info))
    print(f"{name}: all trials are finished; dvc repro search@{name} writes the results")
