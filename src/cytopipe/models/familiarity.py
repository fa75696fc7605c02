"""How unlike the training images an image is: `familiar.safetensors` of a model folder, and the score made from it.

Of two distances the larger one counts: that of the features from the nearest class mean (Mahalanobis, with a shared
covariance; Lee 2018, "A Simple Unified Framework for Detecting Out-of-Distribution Samples", arXiv:1807.03888), and
that of the image's own statistics from their mean, as a network that never saw a blank image may put it amid a class.
`training.familiarity` measures both on training images and chooses the threshold on validation images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from cytopipe.data.tensors import Items
from cytopipe.errors import CytopipeError
from cytopipe.models.files import FAMILIAR
from cytopipe.models.image_statistics import image_statistics
from cytopipe.results.ensemble import Ensemble
from cytopipe.results.model_spec import RESTORE, SPEC, ModelSpec

LEAST_DISTANCE = 1e-6  # below, logarithms say nothing
FEATURES, STATISTICS = "features", "statistics"


@dataclass(frozen=True)
class Reference:
    """Where training images lie in one space; distances there are in standard deviations.

    Attributes:
        mean: D float32, of all training images.
        axes: D x K float32; (x - mean) @ axes has the identity as covariance within classes.
        centres: C x K float32, the class means (or one mean) on these axes.
        typical: median of the logarithm of the distances of images that were not trained on.
        spread: robust standard deviation of that logarithm, of its upper half.
    """

    mean: np.ndarray
    axes: np.ndarray
    centres: np.ndarray
    typical: float = 0.0
    spread: float = 1.0

    def distances(self, values: np.ndarray) -> np.ndarray:
        """Logarithm of the distance of N x D values from the nearest centre, N float64."""
        placed = (values - self.mean.astype(np.float64)) @ self.axes.astype(np.float64)
        squares = [np.square(placed - centre).sum(axis=1) for centre in self.centres.astype(np.float64)]
        return np.asarray(np.log(np.sqrt(np.min(squares, axis=0)) + LEAST_DISTANCE))

    def deviations(self, values: np.ndarray) -> np.ndarray:
        """How many standard deviations farther than a typical image N x D values are, N float64."""
        return (self.distances(values) - self.typical) / self.spread


@dataclass(frozen=True)
class Familiar:
    """What a classifier knows of its training images.

    Attributes:
        references: by space, `STATISTICS` and, for a network with a single head, `FEATURES`.
        threshold: largest deviation that is still like the training images.
    """

    references: Mapping[str, Reference]
    threshold: float

    def deviations(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """The largest deviation of images in any space, N float64, from N x D values by space; see `spaces`."""
        found = [one.deviations(values[name]) for name, one in self.references.items()]
        return np.asarray(np.max(found, axis=0))

    def scores(self, features: np.ndarray | None, items: Items) -> np.ndarray:
        """Scores of unlikeness, N float64: 0 is the typical image, 1 the threshold, more is unlike the training images.

        Args:
            features: N x D of the penultimate layer, as `probabilities_and_features` returns them.
            items: N x S x S x 5 uint8, the stored items.
        """
        return self.deviations(spaces(features, items)) / self.threshold

    def to_bytes(self) -> bytes:
        """The content of familiar.safetensors: equal references give equal bytes."""
        tensors = dict[str, np.ndarray]()
        for name, one in self.references.items():
            standard = np.array([one.typical, one.spread])
            parts = {"mean": one.mean, "axes": one.axes, "centres": one.centres, "standard": standard}
            tensors |= {f"{name}.{part}": np.ascontiguousarray(values) for part, values in parts.items()}
        return safetensors.save(tensors, metadata={"format": "np"})


def spaces(features: np.ndarray | None, items: Items) -> dict[str, np.ndarray]:
    """Where images lie in each space: their statistics, and their features where the network has a single head."""
    known = {} if features is None else {FEATURES: features}
    return {STATISTICS: image_statistics(items), **known}


def read_familiar(folder: Path, spec: ModelSpec) -> Familiar | None:
    """Read what a classifier knows of its training images; None for a model folder without it, of an older version.

    Args:
        folder: the model folder, whose checksums `load_model` verified.
        spec: its specification.

    Raises:
        CytopipeError: the file is missing or damaged.
    """
    if spec.familiarity is None:
        return None
    file = folder / FAMILIAR
    try:
        tensors = safetensors.load(file.read_bytes())
        names = [STATISTICS, *([FEATURES] if f"{FEATURES}.mean" in tensors else [])]
        return Familiar({name: _reference(name, tensors) for name in names}, spec.familiarity.threshold)
    except OSError as error:
        raise CytopipeError(f"cannot be read ({error.strerror})", where=file, hint=RESTORE) from None
    except (SafetensorError, KeyError, ValueError) as error:
        raise CytopipeError(f"is not valid ({error})", where=file, hint=RESTORE) from None


def read_familiars(folder: Path) -> list[Familiar]:
    """What each network of a classifier's folder knows of its training images; empty if one knows nothing.

    Raises:
        CytopipeError: as `read_familiar`, and for an ensemble.json or a model.json that is not valid.
    """
    ensemble = Ensemble.read(folder)
    parts = [folder / part for part in ensemble.members] if ensemble else [folder]
    found = [read_familiar(part, ModelSpec.read(part / SPEC)) for part in parts]
    known = [one for one in found if one is not None]
    return known if len(known) == len(found) else []


def mean_scores(members: Sequence[np.ndarray]) -> np.ndarray:
    """Scores of an ensemble: the mean of those of its members, each N float64."""
    return np.asarray(np.mean(members, axis=0))


def _reference(name: str, tensors: dict[str, np.ndarray]) -> Reference:
    mean, axes, centres, standard = (tensors[f"{name}.{part}"] for part in ("mean", "axes", "centres", "standard"))
    if axes.shape != (len(mean), centres.shape[1]) or standard.shape != (2,):
        raise ValueError(f"the shapes of {name} do not agree")
    return Reference(mean, axes, centres, float(standard[0]), float(standard[1]))
