"""The `cytopipe` command line, one file per command; heavy libraries are imported inside the commands that use them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from cytopipe.cli import (
    accept,
    datasets,
    demo,
    dossier,
    encoders,
    export,
    gate,
    inspect,
    models,
    plan,
    predict,
    preset,
    results,
    review,
    screen,
    search,
    status,
    sync,
    verify,
    weights,
)
from cytopipe.cli.common import EXIT_STATUS, FAILED, UsageError
from cytopipe.core.pipeline import surroundings


@contextmanager
def _usage_errors_exit_with_1() -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        error.exit_code = FAILED
        raise


class _Commands(TyperGroup):
    """Exits with status 1 on wrong usage; click's status 2 means here that some images could not be read."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _usage_errors_exit_with_1():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        surroundings.complete()
        # What a command imports stays until it ends: searching it for garbage takes a tenth of the imports' time.
        thresholds = gc.get_threshold()
        gc.set_threshold(100_000)
        try:
            with _usage_errors_exit_with_1():
                return super().invoke(ctx)
        finally:
            gc.set_threshold(*thresholds)


app = typer.Typer(
    name="cytopipe",
    cls=_Commands,
    help="From microscope images of cells to evaluated classifiers. Run the pipeline itself with `dvc repro` or "
    "`snakemake --cores all`; these commands configure it, inspect its results and apply its models.",
    epilog=EXIT_STATUS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _name, _module in {
    "inspect": inspect,
    "preset": preset,
    "models": models,
    "datasets": datasets,
    "results": results,
    "encoders": encoders,
    "verify": verify,
    "gate": gate,
    "accept": accept,
    "status": status,
    "sync": sync,
    "dossier": dossier,
    "plan": plan,
    "predict": predict,
    "screen": screen,
    "review": review,
    "export": export,
    "search": search,
    "demo": demo,
}.items():
    app.command(_name, epilog=EXIT_STATUS)(_module.command)
app.add_typer(weights.app, name="weights", epilog=EXIT_STATUS)
