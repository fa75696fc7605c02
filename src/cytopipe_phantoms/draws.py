"""Random numbers of the distributions that phantoms need, the same on every processor.

numpy's own generators of them call the C library's exp, log and pow, whose last bits differ between processors. Here
they come from `Generator.random` and `Generator.integers`, which are exact, and the functions of `exact`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cytopipe_phantoms import exact
from cytopipe_phantoms.exact import Plane, Values

_LEVELS = 2**16
# The middles of so many equally likely parts of the standard normal distribution; at most 4.2 from 0.
_NORMAL = exact.normal_quantiles((np.arange(_LEVELS) + 0.5) / _LEVELS).astype(np.float32)


def white(shape: tuple[int, ...], rng: np.random.Generator) -> Plane:
    """White noise of zero mean and unit variance, in 65,536 levels: float32 of this shape."""
    return _NORMAL.take(rng.integers(_LEVELS, size=shape, dtype=np.uint16))


def normal(mean: float, sd: float, rng: np.random.Generator) -> float:
    """One number of a normal distribution."""
    return mean + sd * exact.normal_quantile(rng.random() + 2.0**-54)  # never 0, of which there is no quantile


def normals(mean: float, sd: float, count: int, rng: np.random.Generator) -> Values:
    """(count,) numbers of a normal distribution, in the levels of `white`."""
    return mean + sd * white((count,), rng).astype(np.float64)


def lognormal(mean: float, sd: float, rng: np.random.Generator) -> float:
    """One number whose logarithm is normal, with this mean and standard deviation."""
    return exact.exp(normal(mean, sd, rng))


def lognormals(mean: float, sd: float, shape: tuple[int, ...], rng: np.random.Generator) -> Values:
    """Numbers whose logarithms are normal: float64 of this shape."""
    return exact.exp(normals(mean, sd, math.prod(shape), rng)).reshape(shape)


def poisson(mean: float, rng: np.random.Generator) -> int:
    """A count of a Poisson distribution, by inversion."""
    if mean > 500:  # exp(-mean) would come near to the smallest float
        return poisson(mean / 2, rng) + poisson(mean / 2, rng)
    left, count, share = rng.random(), 0, exact.exp(-mean)
    while left >= share and share > 0:
        left -= share
        count += 1
        share *= mean / count
    return count


def gamma(shape: float, rng: np.random.Generator) -> float:
    """A number of a gamma distribution of scale 1 (Marsaglia and Tsang, "A simple method for generating gamma
    variables", ACM TOMS 26, 2000)."""
    if shape == 1:
        return -exact.log(1 - rng.random())
    if shape < 1:
        return gamma(shape + 1, rng) * exact.exp(exact.log(1 - rng.random()) / shape)
    d = shape - 1 / 3
    c = 1 / math.sqrt(9 * d)
    while True:
        x = normal(0, 1, rng)
        v = 1 + c * x
        v = v * v * v
        if v > 0 and exact.log(1 - rng.random()) < 0.5 * x * x + d - d * v + d * exact.log(v):
            return d * v


def dirichlet(alpha: Sequence[float], rng: np.random.Generator) -> NDArray[np.float64]:
    """Shares of sum 1 of a Dirichlet distribution: (len(alpha),)."""
    parts = [gamma(shape, rng) for shape in alpha]
    return np.array(parts) / exact.total(parts)
