"""The table of predictions of image files; an interrupted run leaves a part that the next run completes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TextIO

from cytopipe.core.io import flock
from cytopipe.core.io.atomic import write_bytes
from cytopipe.core.io.tables import plain
from cytopipe.errors import CytopipeError
from cytopipe.models.inference.predictor import Prediction
from cytopipe.results.unfamiliar import UNLIKE, UNLIKE_SCORE

Row = dict[str, str]  # value by column; an empty string for a missing value

_FILE = ("sha256", "model", "error")
_YES_NO = {True: "true", False: "false"}
_ANOTHER = "name another --out, or add --force to overwrite it"


ATTENTION = ("attention_energy", "attention_value")


def columns_of(
    classes: Sequence[str],
    has_abnormal: bool,
    *,
    is_familiar: bool = False,
    has_sets: bool = False,
    attends: bool = False,
) -> list[str]:
    """Columns of the table of a classifier.

    `p_<class>` are the probabilities as `evaluate` writes them; `confidence` is the calibrated probability of the
    predicted class; `uncertain` is true if it is below the confidence threshold, or the image unlike the training
    images, so that a person should review it; `abnormal` is the calibrated probability of the abnormal classes
    together; `class_set` are the classes that contain the true one as often as the model guarantees, joined by `|`, the
    most probable first; `unlike_training` is true if `unlike_score` is above 1.

    Args:
        classes: names of the classes in the order of the probabilities.
        has_abnormal: whether some classes are abnormal.
        is_familiar: whether the classifier knows its training images, so that it can tell what is unlike them.
        has_sets: whether the classifier guarantees sets of classes.
        attends: whether the classifier answers for groups by attention pooling; `metrics.patients.attended` makes the
            answer from the two numbers of each image.
    """
    abnormal = [*(["abnormal"] if has_abnormal else []), *(["class_set"] if has_sets else [])]
    unlike = [*([UNLIKE, UNLIKE_SCORE] if is_familiar else []), *(ATTENTION if attends else ())]
    probabilities = [f"p_{label}" for label in classes]
    return ["image", "predicted", *probabilities, "confidence", "uncertain", *abnormal, *unlike, *_FILE]


def predicted_row(
    columns: Sequence[str], image: str, sha256: str, model: str, classes: Sequence[str], found: Prediction
) -> Row:
    """The row of an image that was predicted; numbers have six significant digits."""
    values: dict[str, object] = {
        "image": image,
        "predicted": found.predicted,
        **{f"p_{label}": float(value) for label, value in zip(classes, found.probabilities, strict=True)},
        "confidence": found.confidence,
        "uncertain": _YES_NO[found.uncertain],
        "abnormal": found.abnormal,
        UNLIKE: "" if found.unlike is None else _YES_NO[found.unlike],
        UNLIKE_SCORE: found.unlike_score,
        "class_set": "|".join(found.class_set or ()),
        **(dict(zip(ATTENTION, found.attention, strict=True)) if found.attention else {}),
        "sha256": sha256,
        "model": model,
    }
    return {name: str(plain(values.get(name, ""))) for name in columns}


def failed_row(columns: Sequence[str], image: str, sha256: str, model: str, error: str) -> Row:
    """The row of an image that cannot be read; the error is reduced to one line."""
    values = {"image": image, "sha256": sha256, "model": model, "error": " ".join(error.split())}
    return {name: values.get(name, "") for name in columns}


def to_csv(rows: Iterable[Row], columns: Sequence[str], header: bool = False) -> str:
    """Rows as CSV text."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def to_json(row: Row) -> str:
    """A row as one line of ASCII JSON: the numbers of the CSV, true or false, null for missing values."""

    def value(name: str, text: str) -> object:
        if text == "":
            return None
        if name in ("uncertain", UNLIKE):
            return text == _YES_NO[True]
        is_number = name.startswith("p_") or name in ("confidence", "abnormal", UNLIKE_SCORE, *ATTENTION)
        return float(text) if is_number else text

    return json.dumps({name: value(name, text) for name, text in row.items()})


class Table:
    """A CSV of predictions that grows as `<name>.part` and is renamed when it is complete.

    Rows that an earlier run of the same model left under either name are reused, so that an interrupted run continues;
    an incomplete last line is dropped. The caller checks whether the images are unchanged.

    Args:
        path: path of the finished table.
        columns: names of the columns.
        model: identity of the model.
        images: paths of all images that the table will hold.
        force: overwrite the finished table; only rows of an interrupted run are reused.

    Raises:
        CytopipeError: on entering the context, if an existing file is not a table of this model, holds other images
            (which would be lost), or is being written by another process.
    """

    def __init__(self, path: Path, columns: Sequence[str], model: str, images: Collection[str], force: bool) -> None:
        self.path, self.columns, self.model, self.images, self.force = path, columns, model, set(images), force
        self.part = path.with_name(f"{path.name}.part")
        self.rows: dict[str, Row] = {}
        self._file: TextIO | None = None

    def __enter__(self) -> Table:
        if self.path.is_dir():
            raise CytopipeError("this is a folder", where=self.path, hint="name a file: --out preds.csv")
        self.part.parent.mkdir(parents=True, exist_ok=True)
        file = self.part.open("a+", encoding="utf-8", errors="surrogateescape", newline="")
        try:
            self._take_over(file)
        except BaseException:
            file.close()
            raise
        self._file = file
        return self

    def _take_over(self, file: TextIO) -> None:
        try:
            if flock.AVAILABLE:  # on Windows nothing keeps two commands from writing one table
                flock.lock(file, wait=False)
        except BlockingIOError:
            raise CytopipeError("another process is writing this table", where=self.part) from None
        file.seek(0)
        left, kept = file.read(), list[Row]()
        try:
            kept = self._rows(left, self.part)
        except CytopipeError:
            if not self.force:
                raise
        if self.path.is_file() and not self.force:
            whole = self.path.read_bytes().decode("utf-8", "surrogateescape")
            self.rows.update((row["image"], row) for row in self._rows(whole, self.path))
        self.rows.update((row["image"], row) for row in kept)
        text = to_csv(kept, self.columns, header=True)
        if not left.startswith(text):
            file.truncate(0)
            file.write(text)
        file.truncate(len(text.encode("utf-8", "surrogateescape")))
        file.flush()

    def _rows(self, text: str, where: Path) -> list[Row]:
        """The complete rows without an error; none if the file ends within its header."""
        if to_csv([], self.columns, header=True).startswith(text):
            return []
        try:
            header, *lines = csv.reader(io.StringIO(text, newline=""))
        except csv.Error:
            header, lines = [], []
        # Only the first column, the image, can hold line breaks: an incomplete row lacks columns or its line break.
        if not text.endswith("\n"):
            lines = lines[:-1]
        if header != list(self.columns):
            raise CytopipeError("this is not a table of predictions by this model", where=where, hint=_ANOTHER)
        rows = [dict(zip(self.columns, line, strict=True)) for line in lines if len(line) == len(self.columns)]
        for row in rows:
            if row["model"] != self.model:
                raise CytopipeError(f"holds predictions of another model ({row['model']})", where=where, hint=_ANOTHER)
            if row["image"] not in self.images:
                raise CytopipeError(f"holds '{row['image']}', which is not named now", where=where, hint=_ANOTHER)
        return [row for row in rows if not row["error"]]

    def append(self, rows: Sequence[Row]) -> None:
        """Append rows and flush them, so that they survive if the process is killed."""
        assert self._file is not None, "the table is not open"
        self.rows.update((row["image"], row) for row in rows)
        self._file.write(to_csv(rows, self.columns))
        self._file.flush()

    def finish(self, images: Iterable[str]) -> None:
        """Write the finished table, with rows in the order of the images, and remove the partial one."""
        text = to_csv((self.rows[image] for image in images), self.columns, header=True)
        write_bytes(self.path, text.encode("utf-8", "surrogateescape"))
        self.part.unlink()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()
