"""Elementary functions whose results do not depend on the processor.

numpy, scipy and the C library choose other code for exp, log, sin and their like by what the processor has (AVX2, FMA,
AVX-512), and the last bit of a result depends on it. The functions here use additions, multiplications, divisions and
square roots alone, which IEEE 754 rounds in one way, each as an operation of its own and in a fixed order, so that
nothing is fused or regrouped. Errors are a few units of the last place.

Most take a float, which is quick, or an array of float64; a float gives the same value as in an array.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]
Plane = NDArray[np.float32]

# Parts of ln 2 and pi / 2 with so few digits that their product with a small whole number is exact (Cody and Waite).
_LN2 = (6.93147180369123816490e-01, 1.90821492927058770002e-10)
_HALF_PI = (1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624879595063154e-21)
# Minimax polynomials of fdlibm's kernels, lowest power first.
_SIN = (
    *(-1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04),
    *(2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10),
)
_COS = (
    *(4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05),
    *(-2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11),
)
_LOG = (
    *(6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01),
    *(1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01),
)
_ATAN = (
    *(3.33333333333329318027e-01, -1.99999999998764832476e-01, 1.42857142725034663711e-01),
    *(-1.11111104054623557880e-01, 9.09088713343650656196e-02, -7.69187620504482999495e-02),
    *(6.66107313738753120669e-02, -5.83357013379057348645e-02, 4.97687799461593236017e-02),
    *(-3.65315727442169155270e-02, 1.62858201153657823623e-02),
)
_EXP = tuple(1 / math.factorial(power) for power in range(15))


@overload
def _polynomial(x: float, coefficients: tuple[float, ...]) -> float: ...
@overload
def _polynomial(x: Values, coefficients: tuple[float, ...]) -> Values: ...
def _polynomial(x: float | Values, coefficients: tuple[float, ...]) -> float | Values:
    """The polynomial with these coefficients, lowest power first, by Horner's rule."""
    result = x * coefficients[-1]
    for coefficient in coefficients[-2:0:-1]:
        result = (result + coefficient) * x
    return result + coefficients[0]


@overload
def exp(x: float) -> float: ...
@overload
def exp(x: Values) -> Values: ...
def exp(x: float | Values) -> float | Values:
    """The exponential function, for |x| under 700."""
    if isinstance(x, np.ndarray):
        whole = np.rint(x * (1 / math.log(2)))
        scaled: Values = np.ldexp(_polynomial((x - whole * _LN2[0]) - whole * _LN2[1], _EXP), whole.astype(np.int32))
        return scaled
    power = round(x * (1 / math.log(2)))
    return math.ldexp(_polynomial((x - power * _LN2[0]) - power * _LN2[1], _EXP), power)


def log(x: float) -> float:
    """The natural logarithm of a number above 0."""
    mantissa, power = math.frexp(x)
    if mantissa < 0.7071067811865476:
        mantissa, power = 2 * mantissa, power - 1
    f = mantissa - 1
    s = f / (2 + f)
    z, half = s * s, 0.5 * f * f
    return power * _LN2[0] - ((half - (s * (half + z * _polynomial(z, _LOG)) + power * _LN2[1])) - f)


def _turned(x: float | Values, turns: float | Values) -> tuple[float | Values, float | Values]:
    """Sine and cosine of what `turns` quarter turns leave of `x`, which lies within an eighth of a turn about 0."""
    rest = ((x - turns * _HALF_PI[0]) - turns * _HALF_PI[1]) - turns * _HALF_PI[2]
    z = rest * rest
    return rest + rest * z * _polynomial(z, _SIN), 1 - (0.5 * z - z * z * _polynomial(z, _COS))


@overload
def sincos(x: float) -> tuple[float, float]: ...
@overload
def sincos(x: Values) -> tuple[Values, Values]: ...
def sincos(x: float | Values) -> tuple[float, float] | tuple[Values, Values]:
    """Sine and cosine of an angle in radians, of at most some thousand turns."""
    if isinstance(x, np.ndarray):
        turns = np.rint(x * (2 / math.pi))
        sine, cosine = _turned(x, turns)
        quarter = turns.astype(np.int64) & 3
        swapped = (quarter & 1).astype(bool)
        return (
            np.where(swapped, cosine, sine) * np.where(quarter >= 2, -1.0, 1.0),
            np.where(swapped, sine, cosine) * np.where((quarter == 1) | (quarter == 2), -1.0, 1.0),
        )
    count = round(x * (2 / math.pi))
    s, c = _turned(float(x), float(count))
    return ((s, c), (c, -s), (-s, -c), (-c, s))[count & 3]  # type: ignore[return-value]


def direction(theta: float | Values) -> Values:
    """Unit vectors (cosine, sine) in the directions `theta`, radians: (2,), or (N, 2) of an array."""
    sine, cosine = sincos(theta)
    return np.stack([cosine, sine], axis=-1)


def arctan2(y: Values, x: Values) -> Values:
    """Angle of the vectors (x, y), which must not be 0: radians, -pi to pi."""
    across, along = np.abs(y), np.abs(x)
    # tan(a - pi / 4) = (y - x) / (y + x): the angle from the diagonal, which is at most an eighth of a turn; halved
    # once more, for the polynomial, by tan(a / 2) = tan(a) / (1 + sqrt(1 + tan(a)^2)).
    slope = (across - along) / (across + along)
    half = slope / (1 + np.sqrt(1 + slope * slope))
    z = half * half
    angle = np.pi / 4 + 2 * (half - half * z * _polynomial(z, _ATAN))
    angle = np.where(x < 0, np.pi - angle, angle)
    return np.asarray(np.where(y < 0, -angle, angle), dtype=np.float64)


def length(vectors: ArrayLike) -> Values:
    """Length of vectors (..., 2)."""
    x, y = np.moveaxis(np.asarray(vectors, dtype=np.float64), -1, 0)
    result: Values = np.sqrt(x * x + y * y)
    return result


def total(values: Iterable[float]) -> float:
    """The sum, rounded once, whatever the order."""
    return math.fsum(values)


def normal_share(x: float) -> float:
    """The share of the standard normal distribution below `x` (Hart 1968, after West 2005; to 1e-14)."""
    away = abs(x)
    if away > 37:
        return float(x > 0)
    tail = exp(-away * away / 2)
    if away < 7.07106781186547:
        tail *= _polynomial(away, _HART_ABOVE) / _polynomial(away, _HART_BELOW)
    else:
        fraction = away + 0.65
        for part in (4, 3, 2, 1):
            fraction = away + part / fraction
        tail /= fraction * 2.5066282746310002
    return 1 - tail if x > 0 else tail


_HART_ABOVE = (
    *(220.206867912376, 221.213596169931, 112.079291497871, 33.912866078383),
    *(6.37396220353165, 0.700383064443688, 3.52624965998911e-02),
)
_HART_BELOW = (
    *(440.413735824752, 793.826512519948, 637.333633378831, 296.564248779674),
    *(86.7807322029461, 16.064177579207, 1.75566716318264, 8.83883476483184e-02),
)


def normal_quantile(share: float) -> float:
    """The value below which a share, over 0 and under 1, of the standard normal distribution lies (AS 241)."""
    q = share - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        return q * _polynomial(r, _MIDDLE_ABOVE) / _polynomial(r, _MIDDLE_BELOW)
    r = math.sqrt(-log(min(share, 1 - share)))
    if r <= 5:
        value = _polynomial(r - 1.6, _TAIL_ABOVE) / _polynomial(r - 1.6, _TAIL_BELOW)
    else:
        value = _polynomial(r - 5, _FAR_ABOVE) / _polynomial(r - 5, _FAR_BELOW)
    return -value if q < 0 else value


def normal_quantiles(shares: Values) -> Values:
    """`normal_quantile` of each share of an array."""
    q = shares - 0.5
    r = 0.180625 - q * q
    result = q * _polynomial(r, _MIDDLE_ABOVE) / _polynomial(r, _MIDDLE_BELOW)
    tails = np.abs(q) > 0.425
    result[tails] = [normal_quantile(share) for share in shares[tails].tolist()]
    return result


# Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 37 (1988).
_MIDDLE_ABOVE = (
    *(3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4),
    *(4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
)
_MIDDLE_BELOW = (
    *(1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3),
    *(2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)
_TAIL_ABOVE = (
    *(1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0),
    *(1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
)
_TAIL_BELOW = (
    *(1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1),
    *(1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)
_FAR_ABOVE = (
    *(6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1),
    *(2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
)
_FAR_BELOW = (
    *(1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2),
    *(7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)

_STEPS = 4096  # of the table of `decay` to a unit
_DECAY = exp(-np.arange(20 * _STEPS) / _STEPS).astype(np.float32)


def decay(x: Plane | Values) -> Plane:
    """exp(-x) of an array of 0 or more, from a table: to 1.3e-4 of the value, where it is above 2e-9."""
    index = np.minimum(x * np.float32(_STEPS) + np.float32(0.5), np.float32(len(_DECAY) - 1)).astype(np.intp)
    result: Plane = _DECAY.take(index)
    return result
