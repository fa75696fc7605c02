"""`cytopipe predict`: classify images with a trained classifier."""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from cytopipe.cli.common import (
    INTERRUPTED,
    UNREADABLE,
    AsJson,
    Debug,
    Device,
    PixelSize,
    Range,
    Threads,
    clear_errors,
    fix_processor,
    prepare,
    print_json,
    print_table,
    say_cropped,
    say_networks,
    with_range,
)
from cytopipe.errors import CytopipeError

if TYPE_CHECKING:
    from cytopipe.models.inference.image_files import FilePredictor
    from cytopipe.models.inference.prediction_table import Row, Table
    from cytopipe.results.patients import PatientRule

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Model folder of a classifier, models/classifiers/NAME.")]
Images = Annotated[
    list[str],
    typer.Argument(
        metavar="IMAGES", help="Image files, folders, quoted patterns, or a CSV with a column 'image' or 'path'."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write the rows to this file; an interrupted run can be resumed."),
]
Overlay = Annotated[
    Path | None,
    typer.Option("--overlay", metavar="DIR", help="Write a picture of each image with its outlines and class."),
]
Explain = Annotated[
    bool, typer.Option("--explain", help="With --overlay: add heat maps of where the classifier looked.")
]
Count = Annotated[bool, typer.Option("--count", help="Print the number of images of each class instead of the rows.")]
Segmenter = Annotated[
    Path | None, typer.Option("--segmenter", metavar="DIR", help="Segmenter to use instead of the one in MODEL.")
]
Column = Annotated[str | None, typer.Option("--column", metavar="NAME", help="Column of a CSV that holds the paths.")]
By = Annotated[
    str | None,
    typer.Option(
        "--by", metavar="COLUMN", help="Answer for each group too: patients by a column of a CSV, or 'folder'."
    ),
]
GroupTable = Annotated[
    Path | None, typer.Option("--table", metavar="CSV", help="With --by: the table that has the column.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an --out file that holds something else.")]


def command(
    model: Model,
    images: Images,
    out: Out = None,
    overlay: Overlay = None,
    explain: Explain = False,
    count: Count = False,
    segmenter: Segmenter = None,
    column: Column = None,
    by: By = None,
    table: GroupTable = None,
    pixel_size_um: PixelSize = None,
    value_range: Range = None,
    device: Device = "auto",
    threads: Threads = None,
    as_json: AsJson = False,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Predict the classes of images.

    Each image gets one row, printed as soon as it is computed, in the order of the arguments: the class, the
    probability of every class (p_..., as in the stage evaluate), the calibrated confidence, whether it is below the
    confidence threshold or the image unlike the training images (uncertain), the probability of all abnormal classes
    together, the classes of which the model guarantees that the true one is among them (class_set), whether and how
    much the image is unlike the training images (above 1), the file's sha256 and the model's identity. An image that
    cannot be read gets a row with an error. The output is CSV, or JSON Lines with --json.

    --out writes the rows to FILE.part and renames it at the end. After an interruption, the same command resumes the
    run and writes the same bytes as an uninterrupted one. Results depend slightly on batch composition: the
    probabilities agree with those of evaluate in all six digits if the images come in the same order (by id).

    --by COLUMN answers for whole groups of images, such as patients, by the rule that the classifier was trained with
    (`patients` in params.yaml): preds.by.csv has the calibrated score of each group, the decision, and its most telling
    images. COLUMN is one of the CSV of images or of --table; 'folder' takes the folder that each image lies in.

    \b
    Examples:
      cytopipe predict models/classifiers/masks cell.png
      cytopipe predict models/classifiers/masks cells/ --out preds.csv
      cytopipe predict models/classifiers/masks 'cells/**/*.bmp' --count
      cytopipe predict models/classifiers/masks cells.csv --column file --json
      cytopipe predict models/classifiers/masks cells/ --overlay pictures --explain
      cytopipe predict models/classifiers/masks patients/ --by folder --out preds.csv
      cytopipe predict models/classifiers/masks cells.csv --by patient --out preds.csv
    """
    if explain and overlay is None:
        raise typer.BadParameter("--explain needs --overlay DIR: it adds to those pictures")
    if force and out is None:
        raise typer.BadParameter("--force needs --out FILE: it overwrites that file")
    if by is not None and out is None:
        raise typer.BadParameter("--by needs --out FILE: its table is written beside that file")
    if table is not None and by is None:
        raise typer.BadParameter("--table needs --by COLUMN: the column that says which images belong together")
    with clear_errors(debug), ExitStack() as stack:
        fix_processor(threads, model)

        from cytopipe.models.inference.image_groups import groups_of
        from cytopipe.models.inference.image_paths import list_images

        listed = list_images(images, column)
        groups = None if by is None else groups_of(listed, images, by, table, column)
        if overlay is not None:
            _refuse_pictures_among_images(overlay, [*images, *listed])
        where = prepare(device, threads, model)

        from cytopipe.models.files import model_id
        from cytopipe.models.inference.image_files import FilePredictor
        from cytopipe.models.inference.prediction_table import Table
        from cytopipe.models.inference.predictor import Predictor
        from cytopipe.models.patients import needed_rule

        predictor = Predictor.load(model, where, segmenter, pixel_size_um)
        if segmenter is not None and predictor.segmentation is None:
            raise CytopipeError("this classifier uses no masks", where=model, hint="omit --segmenter")
        say_networks(model)
        rule = None if groups is None else needed_rule(predictor.patients, model)
        predictor.reading = with_range(predictor.reading, value_range)
        # Rows of another range or size of pixels are those of another model: none is kept when a run is resumed.
        name = model_id(model, segmenter) + (f" range {value_range}" if value_range else "")
        name += f" pixels of {pixel_size_um:g} um" if pixel_size_um else ""
        work = FilePredictor(predictor, name)
        written = stack.enter_context(Table(out, work.columns, name, listed, force)) if out is not None else None
        if written is not None:
            work.done = written.rows
        if overlay is not None:
            from cytopipe.explain.overlay_folder import OverlayFolder

            pictures = OverlayFolder(overlay, listed, predictor, name, where, explain)
            work.complete, work.on_predicted = pictures.has, pictures.draw
        tally = _run(work, listed, written, as_json, count)
        if out is not None and written is not None and rule is not None and groups is not None:
            _answer_for_groups(out, rule, [written.rows[image] for image in listed], groups, name)
        say_cropped(predictor, "images")
        if tally.unreadable:
            raise typer.Exit(UNREADABLE)


def _answer_for_groups(out: Path, rule: PatientRule, rows: list[Row], groups: dict[str, str], model: str) -> None:
    """Write the table of groups beside that of the images."""
    from cytopipe.models.inference.group_table import group_rows, write_groups

    answers = group_rows(rule, rows, groups, model)
    called = sum(row["decision"] == "abnormal" for row in answers)
    said = f"{called:,} abnormal" if rule.threshold is not None else f"decisions withheld: {rule.withheld}"
    print(f"{write_groups(out, answers)}: {len(answers):,} groups by the {rule.words}, {said}", file=sys.stderr)


class _Tally:
    """Counts the results."""

    def __init__(self, classes: Iterable[str]) -> None:
        self.classes = dict.fromkeys(classes, 0)
        self.images = self.uncertain = self.unlike = self.unreadable = self.kept = 0

    def add(self, rows: list[Row], is_new: bool) -> None:
        self.images += len(rows)
        self.kept += 0 if is_new else len(rows)
        self.unreadable += sum(row["error"] != "" for row in rows)
        self.uncertain += sum(row["uncertain"] == "true" for row in rows)
        self.unlike += sum(row.get("unlike_training") == "true" for row in rows)
        for label, number in Counter(row["predicted"] for row in rows if not row["error"]).items():
            self.classes[label] += number

    def show(self, as_json: bool) -> None:
        unlike = {"unlike_training": self.unlike} if self.unlike else {}
        others = {"uncertain": self.uncertain, **unlike, "unreadable": self.unreadable}
        if as_json:
            print_json({"images": self.images, "classes": self.classes, **others})
        else:
            rows = [*self.classes.items(), ("(uncertain, of these)", self.uncertain)]
            rows += [("(unlike the training images)", self.unlike)] if self.unlike else []
            rows += [("(unreadable)", self.unreadable)]
            print_table(("class", "images"), [(name, f"{number:,}") for name, number in rows], right=("images",))

    def __str__(self) -> str:
        parts = {
            "uncertain": self.uncertain,
            "unlike the training images": self.unlike,
            "unreadable": self.unreadable,
            "kept from an earlier run": self.kept,
        }
        notes = ", ".join(f"{number:,} {what}" for what, number in parts.items() if number)
        return f"{self.images:,} images{f' ({notes})' if notes else ''}"


def _run(work: FilePredictor, images: list[str], table: Table | None, as_json: bool, count: bool) -> _Tally:
    """Predict, write and print; the rows go to standard output unless a table or the counts take their place."""
    from tqdm import tqdm

    from cytopipe.models.inference.prediction_table import to_csv, to_json

    tally = _Tally(work.predictor.classes)
    stdout = _as_utf8(sys.stdout)
    as_rows = as_json and not count
    as_lines = not (as_json or count or table)
    hide_progress = (as_rows or as_lines) and stdout.isatty()  # the rows themselves show the progress
    interval = 0.1 if sys.stderr.isatty() else 10.0
    if as_lines:
        stdout.write(to_csv([], work.columns, header=True))
    try:
        with tqdm(
            total=len(images), unit=" image", mininterval=interval, file=sys.stderr, disable=hide_progress
        ) as bar:
            for rows, is_new in work(images):
                if table is not None and is_new:
                    table.append(rows)
                if as_rows:
                    stdout.write("".join(f"{to_json(row)}\n" for row in rows))
                elif as_lines:
                    stdout.write(to_csv(rows, work.columns))
                stdout.flush()
                tally.add(rows, is_new)
                bar.update(len(rows))
    except KeyboardInterrupt:
        print(
            f"interrupted: {tally.images:,} of {len(images):,} images are done; {_how_to_resume(table)}",
            file=sys.stderr,
        )
        raise typer.Exit(INTERRUPTED) from None
    if table is not None:
        table.finish(images)
        print(f"{table.path}: {tally}", file=sys.stderr)
    if count:
        tally.show(as_json)
    return tally


def _how_to_resume(table: Table | None) -> str:
    if table is None:
        return "with --out FILE the run could be resumed"
    return f"their rows are in {table.part}, and the same command resumes the run"


def _as_utf8(stream: TextIO) -> TextIO:
    """Make standard output UTF-8, passing through file names that are not valid UTF-8."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    return stream


def _refuse_pictures_among_images(overlay: Path, named: Iterable[str]) -> None:
    """Refuse an overlay folder that a second run would read images from.

    Raises:
        CytopipeError: the pictures would be written among the images.
    """
    folder = overlay.resolve()
    for name in named:
        path = Path(name).resolve()
        if path.is_relative_to(folder) or (path.is_dir() and folder.is_relative_to(path)):
            raise CytopipeError(
                f"the pictures would be written among the images of {name}", where=overlay, hint="choose another folder"
            )
