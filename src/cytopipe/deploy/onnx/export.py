"""Export a model folder to ONNX: convert it, then compare it with torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import cytopipe
from cytopipe.data.imaging.decode import read_rgb
from cytopipe.deploy.onnx import TOLERANCE
from cytopipe.deploy.onnx.classifier import ClassifierSource
from cytopipe.deploy.onnx.convert import to_onnx
from cytopipe.deploy.onnx.parity import Parity, compare
from cytopipe.deploy.onnx.runtime import Session, Timing, time_both
from cytopipe.deploy.onnx.segmenter import SegmenterSource
from cytopipe.deploy.onnx.source import Source
from cytopipe.errors import CytopipeError
from cytopipe.models.ensemble import load_classifier
from cytopipe.models.files import SEGMENTER, examples_of, model_id, whole_folder
from cytopipe.models.inference.predictor import Predictor

NOISE = 5  # number of random images; odd, so that the last pair is incomplete
TIMED = (1, 32)  # batch sizes to time


@dataclass(frozen=True)
class Exported:
    """An exported model that agrees with torch.

    Attributes:
        data: contents of the ONNX file.
        metadata: metadata of the file.
        inputs, outputs: shapes by name; "N" stands for the batch size.
        real, noise: agreement on real images and on random values.
    """

    data: bytes
    metadata: Mapping[str, str]
    inputs: Mapping[str, list[int | str]]
    outputs: Mapping[str, list[int | str]]
    real: Parity
    noise: Parity


def open_source(folder: Path, segmenter: Path | None = None) -> Source:
    """Open a model folder for export.

    Args:
        folder: model folder of a classifier or segmenter; several networks of a classifier become one file.
        segmenter: segmenter to use for the check of a classifier, instead of the one in its folder.

    Raises:
        CytopipeError: the folder is damaged, has no network, or has networks of folds without a rule for their mean.
    """
    model, spec = load_classifier(folder, torch.device("cpu"))
    if spec.task == "segmentation":
        return SegmenterSource(model, spec)
    return ClassifierSource(Predictor.load(folder, torch.device("cpu"), segmenter))


def example_paths(folder: Path) -> list[Path]:
    """The example images stored with a model, or with the classifier that it is part of.

    Raises:
        CytopipeError: there are no example images.
    """
    whole = whole_folder(folder)
    found = examples_of(whole) or (examples_of(whole.parent) if whole.name == SEGMENTER else [])
    if not found:
        raise CytopipeError(
            "the folder holds no example images, and an export is checked on real ones",
            where=folder,
            hint="name some: --images FOLDER",
        )
    return found


def to_checked_onnx(source: Source, folder: Path, images: Iterable[Path], tolerance: float = TOLERANCE) -> Exported:
    """Convert a model and compare it with torch in batches of several sizes.

    Args:
        source: the opened model.
        folder: its model folder.
        images: paths of one or more real images.
        tolerance: largest accepted difference of a probability.

    Raises:
        CytopipeError: torch cannot convert the model, an image cannot be read, or the two disagree.
    """
    noise = source.of_noise(NOISE)
    metadata = {**source.metadata, "model": model_id(folder), "cytopipe": cytopipe.__version__}
    data = to_onnx(source.graph, noise[0], source.outputs, metadata, source.description)
    session = Session(data, torch.get_num_threads())
    real = compare(session, source.of_images(read_rgb(path, source.reading)[0] for path in images), source.decide)
    of_noise = compare(session, [noise], source.decide)
    for parity, what in ((real, "real images"), (of_noise, "random images")):
        if not parity.difference <= tolerance:  # NaN must fail too
            raise _disagreement(f"differ by {parity.difference:.2g} on {what}; {tolerance:g} is accepted", folder)
    if real.agreement < source.must_agree:
        raise _disagreement(f"decide the same for only {real.agreement:.4%} of the real images", folder)
    return Exported(data, metadata, session.inputs, session.outputs, real, of_noise)


def _disagreement(what: str, folder: Path) -> CytopipeError:
    return CytopipeError(
        f"ONNX Runtime and torch {what}",
        where=folder,
        hint="nothing was written; --tolerance sets what is accepted, --images other images to check with",
    )


def time_export(source: Source, data: bytes) -> dict[int, Timing]:
    """Time the exported model and the same computation in torch, with torch's number of threads.

    Returns:
        Timing by batch size (1 and 32).
    """
    session = Session(data, torch.get_num_threads())
    results = {}
    for count in TIMED:
        items, _ = source.of_noise(count)
        tensor = torch.from_numpy(items)

        def by_torch(tensor: torch.Tensor = tensor) -> None:
            with torch.inference_mode():
                source.graph(tensor)

        def by_onnx(items: np.ndarray = items) -> None:
            session(items)

        results[count] = time_both(by_torch, by_onnx)
    return results
