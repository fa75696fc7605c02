"""A classifier behind MLflow's interface: image files in, the rows of `cytopipe predict` out.

A logged model names this module and contains only data: loading it runs no code of its own and opens no pickle.
"""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cytopipe.core.params import Reading
from cytopipe.data.imaging.decode import read_image
from cytopipe.data.imaging.fit import Measured
from cytopipe.deploy.mlflow.columns import IMAGE, columns
from cytopipe.errors import CytopipeError
from cytopipe.models.guarantees import has_sets
from cytopipe.results.unfamiliar import UNLIKE, UNLIKE_SCORE

if TYPE_CHECKING:
    from cytopipe.models.inference.predictor import Prediction, Predictor


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> CellClassifier:
    """Load a model; `mlflow.pyfunc.load_model` calls it.

    Args:
        path: a classifier's model folder.
        model_config: may set `device` to auto, cpu or cuda.

    Raises:
        CytopipeError: the folder is damaged or not a classifier, or the device is not available.
    """
    from cytopipe.models.determinism import choose_device
    from cytopipe.models.inference.predictor import Predictor

    device = choose_device((model_config or {}).get("device", "auto"))
    return CellClassifier(Predictor.load(Path(path), device))


class CellClassifier:
    """A `Predictor` behind MLflow's interface."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.sets = has_sets(predictor.spec)
        self.familiar = bool(predictor.familiar)
        self.columns = list(
            columns(predictor.classes, bool(predictor.rule.abnormal), has_sets=self.sets, is_familiar=self.familiar)
        )
        self.num_threads = predictor.spec.num_threads

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Classify image files.

        Args:
            model_input: N rows; the column `image` holds the contents of an image file in any format that
                `cytopipe predict` reads, as bytes or base64 text. Paths are rejected: a served model must not open
                files of its host for a client.

        Returns:
            N rows: predicted, p_<class>, confidence, uncertain, abnormal (if some classes are abnormal), class_set (if
            the model guarantees sets), unlike_training and unlike_score (if it knows its training images), error. For
            an image that cannot be read, only `error` is set.
        """
        with _as_trained(self.num_threads):
            images, size = model_input[IMAGE].tolist(), self.predictor.batch_size
            # The batches of `cytopipe predict`, because results depend slightly on batch composition.
            rows = [row for start in range(0, len(images), size) for row in self._rows(images[start : start + size])]
        found = pd.DataFrame(rows, columns=self.columns)
        gaps = found.columns[found.isna().any()]
        # None, because JSON has no NaN; columns without missing values keep their types.
        return found.assign(**{name: found[name].astype(object).where(found[name].notna(), None) for name in gaps})

    def _rows(self, images: Sequence[object]) -> list[dict[str, object]]:
        faults: dict[int, str] = {}

        def readable() -> Iterator[Measured]:
            for number, image in enumerate(images):
                try:
                    picture = _decoded(image, self.predictor.reading)
                    self.predictor.place(picture)
                except CytopipeError as error:
                    faults[number] = " ".join(error.what.split())
                    continue
                yield picture

        found = [self._row(prediction) for prediction in self.predictor(readable())]
        in_order = iter(found)
        return [{"error": faults[number]} if number in faults else next(in_order) for number in range(len(images))]

    def _row(self, prediction: Prediction) -> dict[str, object]:
        chances = zip(self.predictor.classes, prediction.probabilities.tolist(), strict=True)
        return {
            "predicted": prediction.predicted,
            **{f"p_{label}": chance for label, chance in chances},
            "confidence": prediction.confidence,
            "uncertain": bool(prediction.uncertain),
            "abnormal": prediction.abnormal,
            **({"class_set": "|".join(prediction.class_set or ())} if self.sets else {}),
            **({UNLIKE: prediction.unlike, UNLIKE_SCORE: prediction.unlike_score} if self.familiar else {}),
            "error": None,
        }


def _decoded(image: object, reading: Reading) -> Measured:
    """Decode an image file's contents, bytes or base64 text; others raise CytopipeError."""
    if isinstance(image, str):  # from CSV, and from clients for which MLflow does not decode base64
        try:
            image = base64.b64decode("".join(image.split()), validate=True)
        except (binascii.Error, ValueError):
            raise CytopipeError("neither the bytes of an image file nor base64 of them") from None
    if not isinstance(image, bytes | bytearray | memoryview):
        raise CytopipeError(f"not the bytes of an image file ({type(image).__name__})")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "image"
        file.write_bytes(image)
        decoded = read_image(file, reading)
        return Measured(decoded.rgb, decoded.pixel_size_um)


@contextmanager
def _as_trained(num_threads: int | None) -> Iterator[None]:
    """Use the torch settings of the training, so that results are equal to the bit; restore the caller's afterwards."""
    import torch

    from cytopipe.models.determinism import make_deterministic

    before = torch.get_num_threads(), torch.get_deterministic_debug_mode(), torch.backends.cudnn.benchmark
    libraries = torch.backends.mkldnn.deterministic, torch._C._get_nnpack_enabled()
    make_deterministic(num_threads or before[0])
    try:
        yield
    finally:
        torch.backends.mkldnn.deterministic = libraries[0]
        torch.backends.nnpack.set_flags(libraries[1])
        torch.set_num_threads(before[0])
        torch.set_deterministic_debug_mode(before[1])
        torch.backends.cudnn.benchmark = before[2]
