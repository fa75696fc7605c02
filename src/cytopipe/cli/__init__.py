"""The command `cytopipe`: one file a command. Heavy libraries are imported inside the commands that need them."""

from __future__ import annotations

import typer

from cytopipe.cli import datasets, demo, gate, models, preset, results

app = typer.Typer(
    name="cytopipe",
    help="From microscope images of cells to evaluated classifiers. The pipeline itself runs by `dvc repro` or "
    "`snakemake --cores all`; these commands set it up and look at it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("preset")(preset.command)
app.command("models")(models.command)
app.command("datasets")(datasets.command)
app.command("results")(results.command)
app.command("gate")(gate.command)
app.command("demo")(demo.command)
