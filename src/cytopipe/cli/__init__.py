"""The command `cytopipe`: one file a command. Heavy libraries are imported inside the commands that need them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from cytopipe.cli import datasets, demo, export, gate, models, predict, preset, results, screen
from cytopipe.cli.common import EXIT_STATUS, FAILED

_UsageError: Any = typer.BadParameter.__base__  # typer does not export it


@contextmanager
def _wrong_usage_fails() -> Iterator[None]:
    try:
        yield
    except _UsageError as error:
        error.exit_code = FAILED
        raise


class _Commands(TyperGroup):
    """Wrong usage leaves with status 1, not click's 2, which says here that some images could not be read."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _wrong_usage_fails():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _wrong_usage_fails():
            return super().invoke(ctx)


app = typer.Typer(
    name="cytopipe",
    cls=_Commands,
    help="From microscope images of cells to evaluated classifiers. The pipeline itself runs by `dvc repro` or "
    "`snakemake --cores all`; these commands set it up, look at it and use its models.",
    epilog=EXIT_STATUS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _name, _module in {
    "preset": preset,
    "models": models,
    "datasets": datasets,
    "results": results,
    "gate": gate,
    "predict": predict,
    "screen": screen,
    "export": export,
    "demo": demo,
}.items():
    app.command(_name, epilog=EXIT_STATUS)(_module.command)
