"""`cytopipe review`: a local page on which a person corrects labels and outlines, the most doubtful first."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cytopipe.cli.common import Debug, Device, clear_errors, fix_processor
from cytopipe.cli.demo import HOST, Browser, Host, Port, require_local
from cytopipe.errors import CytopipeError

if TYPE_CHECKING:
    from cytopipe.core.params import Params
    from cytopipe.review.items import Queue

By = Annotated[
    Literal["uncertainty", "suspicion", "disagreement", "unlikeness"],
    typer.Option(
        "--by",
        help="Order: entropy of the probabilities; suspicion: how improbable the label is, which finds wrong labels; "
        "disagreement of several classifiers or networks; unlikeness to the training images.",
    ),
]
Fields = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FIELD...]",
        help="Review the cells that `cytopipe screen` found in these fields, instead of images of the dataset.",
    ),
]
Classifiers = Annotated[
    list[str] | None,
    typer.Option(
        "--classifier",
        metavar="NAME",
        help="Classifier whose doubts are looked at; by default the first of the project. For the cells of fields, "
        "several may be named, which disagree.",
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option("--dataset", metavar="NAME", help="Dataset that named cells of fields are added to."),
]
Screened = Annotated[
    Path, typer.Option("--screened", metavar="DIR", help="Folder with the tables of `cytopipe screen` for FIELD...")
]
TableFile = Annotated[
    Path | None,
    typer.Option(
        "--table",
        metavar="FILE",
        help="Table of corrections; by default that of the dataset, or workflow/corrections/DATASET.csv.",
    ),
]
Reviewer = Annotated[str, typer.Option("--reviewer", help="Who answers; stands in the column 'reason'.")]
ByField = Annotated[bool, typer.Option("--by-field", help="Field by field, the one with the highest mean first.")]
Most = Annotated[int, typer.Option("--most", min=1, max=5000, help="Length of the queue.")]
Skipped = Annotated[bool, typer.Option("--skipped", help="Offer what was put off earlier too.")]
List = Annotated[bool, typer.Option("--list", help="Print the queue as CSV instead of serving the page.")]


def command(
    fields: Fields = None,
    by: By = "uncertainty",
    classifier: Classifiers = None,
    dataset: Dataset = None,
    screened: Screened = Path("screened"),
    table: TableFile = None,
    reviewer: Reviewer = "",
    by_field: ByField = False,
    most: Most = 500,
    skipped: Skipped = False,
    only_list: List = False,
    port: Port = None,
    host: Host = HOST,
    browser: Browser = True,
    device: Device = "auto",
    debug: Debug = False,
) -> None:
    """Correct labels and outlines on a local page, the most doubtful images first.

    The queue holds images of the project that a classifier judged without having been trained on them (validation
    images, or with `folds` all of training and validation), or cells that `cytopipe screen` found in FIELD.... Test
    images and their groups are never offered. Keys 1 to 9 name the class; outlines can be drawn with brush or polygon.

    Each answer is on the disk before the next question: in a table below workflow/corrections/, which organize reads.
    Name it in the dataset's options.corrections and run `dvc repro`. Needs gradio's server: pip install 'gradio>=6'.

    \b
    Examples:
      cytopipe review --classifier attention-masks --reviewer AB
      cytopipe review --classifier attention-masks --by disagreement
      cytopipe review slides/*.png --screened screened --dataset cervix --by unlikeness
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with clear_errors(debug):
        require_local(host)
        if not only_list:
            from cytopipe.app.serve_review import require_server
            from cytopipe.app.server import check_port

            require_server()
            check_port(port)
        fix_processor(None)

        from cytopipe import paths
        from cytopipe.core.params import load_params
        from cytopipe.review.images import dataset_options

        params = load_params(paths.PARAMS)
        names = _known(params, classifier)
        own = _dataset(params, names, dataset)
        target = table or dataset_options(params, own) or paths.CORRECTIONS / f"{own}.csv"
        queue = _queue(params, fields, names, own, screened, by, by_field, device).first(most)
        if only_list:
            print(queue.listed, end="")
            return
        _serve(queue, target, reviewer, skipped, port, browser)


def _known(params: Params, names: list[str] | None) -> list[str]:
    if unknown := sorted(set(names or ()) - set(params.classifiers)):
        known = ", ".join(params.classifiers) or "none"
        raise CytopipeError(f"there is no classifier '{unknown[0]}'", where="--classifier", hint=f"there are: {known}")
    found = names or list(params.classifiers)[:1]
    if not found:
        raise CytopipeError("the project has no classifier", where="params.yaml", hint="whose doubts are looked at?")
    return found


def _dataset(params: Params, names: list[str], dataset: str | None) -> str:
    found = dataset or params.classifiers[names[0]].dataset
    if found not in params.datasets:
        raise CytopipeError(
            f"there is no dataset '{found}'", where="--dataset", hint=f"there are: {', '.join(params.datasets)}"
        )
    return found


def _queue(
    params: Params,
    fields: list[str] | None,
    names: list[str],
    dataset: str,
    screened: Path,
    by: Literal["uncertainty", "suspicion", "disagreement", "unlikeness"],
    by_field: bool,
    device: str,
) -> Queue:
    where = "cpu" if device == "auto" else device  # a few hundred cells
    if not fields:
        from cytopipe.review.images import image_queue

        if len(names) > 1 or dataset != params.classifiers[names[0]].dataset:
            raise CytopipeError(
                "images of a dataset are looked at by the doubts of one of its own classifiers", where="--classifier"
            )
        if by_field:
            raise CytopipeError("images of a dataset have no fields to be kept together", where="--by-field")
        return image_queue(params, names[0], by, where)
    from cytopipe import paths
    from cytopipe.models.inference.image_paths import list_images
    from cytopipe.review.cells import cell_queue

    committee = [paths.classifier(name).model for name in names]
    listed = [Path(name) for name in list_images(fields)]
    return cell_queue(params, dataset, listed, screened, by, by_field, committee, where)


def _serve(queue: Queue, table: Path, reviewer: str, skipped: bool, port: int | None, browser: bool) -> None:
    from cytopipe.app.review import ReviewPage
    from cytopipe.app.serve_review import serve_review
    from cytopipe.review.answers import Answers

    answers = Answers(table, queue.classes, queue.aliases)
    answers.tidy()
    serve_review(ReviewPage(queue, answers, reviewer, skipped), port, browser)
