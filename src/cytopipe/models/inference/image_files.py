"""Predictions of image files in batches; a file that cannot be read becomes a row with an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from cytopipe.core.io.hashing import sha256_file
from cytopipe.data.imaging.decode import read_image
from cytopipe.data.imaging.fit import Measured
from cytopipe.errors import CytopipeError
from cytopipe.models.guarantees import has_sets
from cytopipe.models.inference.prediction_table import Row, columns_of, failed_row, predicted_row
from cytopipe.models.inference.predictor import Prediction, Predictor

OnPredicted = Callable[[str, str, Prediction], None]  # path of the image, its SHA-256, its prediction


class FilePredictor:
    """Predicts image files with one model, and reuses the rows of an earlier run.

    Batches are fixed slices of the list of images, and a batch that lacks a single row is computed as a whole: results
    depend slightly on batch composition, and a resumed run must write the same bytes as an uninterrupted one.

    Args:
        predictor: classifier to use.
        model: identity of the model, for the rows.
        done: rows of an earlier run by path; reused if the file is unchanged.
        complete: given path and SHA-256 of an image, whether its other outputs (overlays) exist already.
        on_predicted: called for every image that was predicted.
    """

    def __init__(
        self,
        predictor: Predictor,
        model: str,
        done: Mapping[str, Row] | None = None,
        complete: Callable[[str, str], bool] | None = None,
        on_predicted: OnPredicted | None = None,
    ) -> None:
        self.predictor, self.model, self.done = predictor, model, done or {}
        self.complete, self.on_predicted = complete or (lambda image, sha256: True), on_predicted
        self.columns = columns_of(
            predictor.classes,
            bool(predictor.rule.abnormal),
            is_familiar=bool(predictor.familiar),
            has_sets=has_sets(predictor.spec),
            attends=predictor.attention is not None,
        )

    def __call__(self, images: Sequence[str]) -> Iterator[tuple[list[Row], bool]]:
        """Yield the rows of each batch, in order, and whether they were computed now."""
        size = self.predictor.batch_size
        for start in range(0, len(images), size):
            some = images[start : start + size]
            if kept := self._kept(some):
                yield kept, False
            else:
                yield self._predict(some), True

    def _kept(self, images: Sequence[str]) -> list[Row]:
        """The rows of an earlier run; empty if a row is missing or a file has changed."""
        rows = [self.done[image] for image in images if image in self.done]
        if len(rows) == len(images) and all(map(self._still_holds, rows)):
            return rows
        return []

    def _still_holds(self, row: Row) -> bool:
        try:
            same = sha256_of(Path(row["image"])) == row["sha256"]
        except CytopipeError:
            return False
        return same and self.complete(row["image"], row["sha256"])

    def _predict(self, images: Sequence[str]) -> list[Row]:
        sums, faults = dict.fromkeys(images, ""), dict[str, str]()

        def readable() -> Iterator[Measured]:
            for image in images:
                try:
                    sums[image] = sha256_of(Path(image))
                    decoded = read_image(Path(image), self.predictor.reading)
                    picture = Measured(decoded.rgb, decoded.pixel_size_um)
                    self.predictor.place(picture)  # an image that has no place is a row, not the end of the run
                except CytopipeError as fault:
                    faults[image] = fault.what
                    continue
                yield picture

        found = list(self.predictor(readable()))
        by_image = dict(zip((image for image in images if image not in faults), found, strict=True))
        for image, prediction in by_image.items():
            if self.on_predicted:
                self.on_predicted(image, sums[image], prediction)
        return [
            failed_row(self.columns, image, sums[image], self.model, faults[image])
            if image in faults
            else predicted_row(self.columns, image, sums[image], self.model, self.predictor.classes, by_image[image])
            for image in images
        ]


def sha256_of(path: Path) -> str:
    """SHA-256 of a regular file.

    Raises:
        CytopipeError: the path is not a regular file, or it cannot be read.
    """
    try:
        if path.exists() and not path.is_file():  # reading a pipe would block
            raise CytopipeError("this is no file", where=path)
        return sha256_file(path)
    except FileNotFoundError:
        raise CytopipeError("no such image", where=path) from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise CytopipeError(f"the file cannot be read ({reason})", where=path) from None
