"""Probes: small classifiers of frozen features, by scikit-learn, whose settings no test image chooses.

Linear: logistic regression (Alain 2016, "Understanding intermediate layers using linear classifier probes",
arXiv:1610.01644). Support vectors: a Gaussian kernel on the first principal components, which hold nearly all of the
variance and make it affordable. Nearest neighbours: by cosine, weighted by closeness.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from cytopipe.core.params import Probe
from cytopipe.errors import CytopipeError
from cytopipe.metrics.temperature import fit_temperature, logits_of
from cytopipe.results.embeddings import Candidate

logger = logging.getLogger("cytopipe")
COMPONENTS = 256  # at most, for support vectors
ITERATIONS = 1000  # at most, of logistic regression


@dataclass(frozen=True)
class Kind:
    """A kind of probe: its setting, and the values to try, the simplest model first."""

    setting: Literal["C", "k"]
    values: tuple[float, ...]
    make: Callable[[float, tuple[int, int]], Pipeline]


def _linear(c: float, shape: tuple[int, int]) -> Pipeline:
    return Pipeline([("scale", StandardScaler()), ("probe", LogisticRegression(C=c, max_iter=ITERATIONS))])


def _support(c: float, shape: tuple[int, int]) -> Pipeline:
    return Pipeline([("scale", StandardScaler()), ("pca", _pca(shape)), ("probe", SVC(C=c, gamma="scale"))])


def _pca(shape: tuple[int, int]) -> PCA:
    solver = "covariance_eigh" if shape[1] <= shape[0] else "full"
    return PCA(n_components=components(shape), svd_solver=solver)


def components(shape: tuple[int, int]) -> int:
    """Number of principal components that support vectors see, of N images with D features."""
    return min(COMPONENTS, *shape)


def _neighbours(k: float, shape: tuple[int, int]) -> Pipeline:
    probe = KNeighborsClassifier(min(int(k), shape[0]), metric="cosine", weights="distance", algorithm="brute")
    return Pipeline([("scale", StandardScaler()), ("probe", probe)])


KINDS: dict[Probe, Kind] = {
    "linear": Kind("C", (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0), _linear),
    "svm": Kind("C", (0.1, 1.0, 10.0, 100.0), _support),
    "knn": Kind("k", (50, 20, 10, 5, 3, 1), _neighbours),
}


@dataclass(frozen=True)
class Judged:
    """Images that choose a setting: rows to fit to, and rows to judge by, once or in folds; none is a test image."""

    parts: Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Fitted:
    """A probe with its chosen setting.

    Attributes:
        kind: which probe.
        pipeline: fitted by scikit-learn.
        value: the chosen setting.
        candidates: accuracy of every setting on the images that chose it.
        judged: probabilities of these images, in the order of the parts, N x classes; not from a fit to them.
        truth: their N class indices.
        temperature: divisor of the scores of support vectors for calibrated probabilities.
        converged: whether the solver converged.
        classes: number of classes of the dataset.
    """

    kind: Probe
    pipeline: Pipeline
    value: float
    candidates: tuple[Candidate, ...]
    judged: np.ndarray
    truth: np.ndarray
    temperature: float
    converged: bool
    classes: int

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """N x classes, of features N x D; rows sum to 1, and a class without training images has 0."""
        return probabilities_of(scores(self.kind, self.pipeline, features, self.classes), self.temperature)


def fit_probe(
    kind: Probe, features: np.ndarray, labels: np.ndarray, classes: int, judged: Judged, fitted: np.ndarray, where: str
) -> Fitted:
    """Choose the setting of a probe and fit it; the simplest one among equally accurate.

    Args:
        kind: which probe.
        features: N x D of all images, of which only the rows that are named are read.
        labels: N class indices.
        classes: number of classes.
        judged: rows that choose.
        fitted: rows that the probe is fitted to in the end.
        where: key of params.yaml, for messages.

    Raises:
        CytopipeError: the images to fit to are of one class.
    """
    for rows in (fitted, *(rows for rows, _ in judged.parts)):
        if len(np.unique(labels[rows])) < 2:
            raise CytopipeError(
                "all images that a probe is fitted to are of one class",
                where=where,
                hint="a probe needs at least two classes: split the dataset otherwise",
            )
    truth = np.concatenate([labels[test] for _, test in judged.parts])
    tried, outside = _try_all(kind, features, labels, classes, judged, truth)
    best = max(tried, key=lambda one: one.accuracy)  # the first of equals
    value, scored = best.value, outside[tried.index(best)]
    pipeline, converged = _fit(kind, value, features[fitted], labels[fitted])
    if not converged:
        logger.warning("%s: the %s probe stopped at C %g before it converged", where, kind, value)
    temperature = _temperature(scored, truth, np.unique(labels[fitted])) if kind == "svm" else 1.0
    logger.info("%s: %s, %s %g: accuracy %.4f", where, kind, KINDS[kind].setting, value, best.accuracy)
    inside = probabilities_of(scored, temperature)
    return Fitted(kind, pipeline, value, tuple(tried), inside, truth, temperature, converged, classes)


def _try_all(
    kind: Probe, features: np.ndarray, labels: np.ndarray, classes: int, judged: Judged, truth: np.ndarray
) -> tuple[list[Candidate], list[np.ndarray]]:
    """Every setting with the scores of the images that choose; the search ends where accuracy was lower twice."""
    tried, outside, falls = list[Candidate](), list[np.ndarray](), 0
    for value in KINDS[kind].values:
        parts = []
        for train, test in judged.parts:
            pipeline = _fit(kind, value, features[train], labels[train])[0]
            parts.append(scores(kind, pipeline, features[test], classes))
        outside.append(np.concatenate(parts))
        accuracy = float((outside[-1].argmax(axis=1) == truth).mean())
        falls = falls + 1 if tried and accuracy < max(one.accuracy for one in tried) else 0
        tried.append(Candidate(value=value, accuracy=accuracy))
        if falls == 2:
            break
    return tried, outside


def _temperature(scored: np.ndarray, truth: np.ndarray, known: np.ndarray) -> float:
    """The temperature of scores of classes that every fit knew; 1 where there are none."""
    rows = np.isin(truth, known) & np.isfinite(scored[:, known]).all(axis=1)
    return fit_temperature(scored[rows][:, known], np.searchsorted(known, truth[rows])) if rows.any() else 1.0


def _fit(kind: Probe, value: float, features: np.ndarray, labels: np.ndarray) -> tuple[Pipeline, bool]:
    pipeline = KINDS[kind].make(value, (features.shape[0], features.shape[1]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        pipeline.fit(np.asarray(features, np.float64), labels)
    return pipeline, not any(issubclass(one.category, ConvergenceWarning) for one in caught)


def scores(kind: Probe, pipeline: Pipeline, features: np.ndarray, classes: int) -> np.ndarray:
    """N x classes, the largest for the predicted class: decision values of support vectors, else log probabilities."""
    items = np.asarray(features, np.float64)
    known: Any = pipeline[-1].classes_
    if kind == "svm":
        given = pipeline.decision_function(items)
        given = np.stack([-given, given], axis=1) / 2 if given.ndim == 1 else given
    else:
        given = logits_of(pipeline.predict_proba(items))
    found = np.full((len(items), classes), -np.inf)
    found[:, known] = given
    return found


def probabilities_of(found: np.ndarray, temperature: float) -> np.ndarray:
    """The softmax of scores, N x classes; -inf gives 0."""
    raised = np.exp((found - found.max(axis=1, keepdims=True)) / temperature)
    shares: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return shares
