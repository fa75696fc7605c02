"""Features of all images of a dataset, computed once: float16, memory-mapped, a row an image.

They are kept outside the outputs too, under the hash of all that determines them, so that another choice of probes does
not compute them again.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import cytopipe
from cytopipe.core.io.atomic import write_json
from cytopipe.core.io.hashing import hash_tree, sha256_bytes
from cytopipe.data.tensors import Items
from cytopipe.embeddings.encoder import Encoder
from cytopipe.errors import CytopipeError
from cytopipe.models.heads import inputs_of
from cytopipe.models.inference.classify import input_transform
from cytopipe.models.inference.tta import ORIENTED, turn
from cytopipe.models.transforms import batches

logger = logging.getLogger("cytopipe")
BATCH = 64  # images per forward pass; results depend slightly on it
LEAST, MOST = 2.0**-3, 2.0**13  # largest feature that is stored as it is; float16 runs to 65504 and is exact to 2**-24
Progress = Callable[[Iterable[Any], int], Iterable[Any]]


@dataclass(frozen=True)
class Features:
    """Features of images.

    Attributes:
        values: N x D float16, memory-mapped; multiplied by `scale`.
        scale: a power of two.
        seconds: time that the encoder took for them, when they were computed.
        file: the .npy file that is mapped.
    """

    values: np.ndarray
    scale: float
    seconds: float
    file: Path


def cached_features(
    encoder: Encoder,
    items: Items,
    fitted: np.ndarray,
    cache: Path,
    settings: Mapping[str, Any],
    progress: Progress,
    device: torch.device,
) -> Features:
    """The features of images, from the cache if it has them.

    Args:
        encoder: the encoder.
        items: N x S x S x 5 uint8.
        fitted: indices of the images that probes may learn from; they alone choose the scale.
        cache: folder of this embedding; it keeps the latest features only.
        settings: what determines the features besides encoder, device and code: hashes of the images, threads.
        progress: wraps the iteration over batches, given the number of images.
        device: device of the computation.

    Raises:
        CytopipeError: a feature is not finite.
    """
    code = hash_tree(Path(cytopipe.__file__).parent)
    asked = [encoder.described.model_dump_json(), sorted(settings.items()), device.type, torch.__version__, code]
    key = sha256_bytes(repr(asked).encode())[:24]
    array, notes = cache / f"{key}.npy", cache / f"{key}.json"
    if array.is_file() and notes.is_file():
        logger.info("features: taken from the cache")
        kept = json.loads(notes.read_text(encoding="utf-8"))
        return Features(np.load(array, mmap_mode="r"), kept["scale"], kept["seconds"], array)
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    start = time.monotonic()
    exact = cache / "exact.npy"
    _compute(encoder, items, exact, progress, device)
    scale = _halve(exact, array, fitted, encoder.described.architecture)
    exact.unlink()
    seconds = time.monotonic() - start
    logger.info("features: %d of %d images in %.1f s", encoder.dimension, len(items), seconds)
    write_json(notes, {"scale": scale, "seconds": seconds})
    return Features(np.load(array, mmap_mode="r"), scale, seconds, array)


def batch_features(encoder: Encoder, items: Items, device: torch.device) -> Iterable[np.ndarray]:
    """Features of batches in order, n x D float32, averaged over the orientations of `tta`."""
    transform = input_transform(encoder.spec, device)
    with torch.inference_mode(), inputs_of(encoder.head) as seen:
        for _, batch in batches(items, BATCH):
            for by in ORIENTED[encoder.spec.tta]:
                encoder.model(transform(turn(batch, *by)))
            yield torch.stack(seen).mean(dim=0).float().cpu().numpy()
            seen.clear()


def _compute(encoder: Encoder, items: Items, path: Path, progress: Progress, device: torch.device) -> None:
    written = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(len(items), encoder.dimension))
    row = 0
    bar = iter(progress(range(len(items)), len(items)))
    for values in batch_features(encoder, items, device):
        written[row : row + len(values)] = values
        row += len(values)
        for _ in values:
            next(bar, None)
    next(bar, None)  # closes it
    written.flush()


def _halve(exact: Path, array: Path, fitted: np.ndarray, name: str) -> float:
    """Write features as float16, and return the power of two that they were multiplied by."""
    values = np.load(exact, mmap_mode="r")
    if not all(np.isfinite(values[rows]).all() for rows in _parts(np.arange(len(values)))):
        raise CytopipeError("a feature is not finite", where=name, hint="choose other weights or normalisation")
    largest = max((float(np.abs(values[rows]).max()) for rows in _parts(fitted)), default=0.0)
    scale = 1.0 if largest == 0 or LEAST <= largest <= MOST else 2.0 ** -int(np.floor(np.log2(largest)))
    partial = array.with_suffix(".partial")
    with partial.open("wb") as file:
        described = {"descr": "<f2", "fortran_order": False, "shape": values.shape}
        np.lib.format.write_array_header_1_0(file, described)
        for rows in _parts(np.arange(len(values))):
            limit = float(np.finfo(np.float16).max)
            file.write((values[rows] * np.float32(scale)).clip(-limit, limit).astype("<f2").tobytes())
    partial.replace(array)
    return scale


def _parts(rows: np.ndarray, most: int = 4096) -> Iterable[np.ndarray]:
    return (rows[start : start + most] for start in range(0, len(rows), most))
