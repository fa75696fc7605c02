"""Copies that were shifted, cropped or turned: candidates are laid over each other and their fine structure correlated.

The spectra give the orientation and the angle, template matching the shift and the scale, and the enhanced correlation
coefficient (Evangelidis and Psarakis 2008, doi:10.1109/TPAMI.2008.113) the rest. Where both images show something,
copies then correlate almost completely; other cells, also of one kind and stain, do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cytopipe.audit.hashes import Pair
from cytopipe.audit.spectra import ANGLES, DEGREES, PORTRAIT_PX, Spectra, structure

# Copies that were shifted by 3 px, cropped by 5 % or turned by 7 degrees correlate by 0.98 or more. Other images reach
# 0.97 among phantoms of blood cells, which are smooth discs, 0.92 among real ones, and 0.89 among cells of the cervix.
LEAST_CORRELATION = 0.975
LEAST_PX = 24  # of the shorter side; smaller images contain too little that distinguishes them
_WORTH = 0.6  # correlation by template matching below which a candidate is dropped
_SCALES = (0.9, 0.97, 1.03, 1.11)
_MOST_STEPS = 2  # of the angle
_REACH = 6  # largest shift, pixels of a portrait
_TEMPLATE = 10  # margin of the template, pixels
_MARGIN = 3  # pixels at the border that do not count
_LEAST_OVERLAP = 0.5  # share of the portrait
_MOST_SCALE, _MOST_STRETCH = 1.25, 1.4  # of the map between copies; a turned oblong image is stretched in its portrait
_CRITERIA = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 1e-4)
_CENTRE = (PORTRAIT_PX - 1) / 2


@dataclass(frozen=True)
class _Pose:
    """How the second image of a pair lies: mirrored, quarter turns, and the map from the first image to it."""

    mirrored: int
    quarters: int
    map: np.ndarray
    correlation: float


def registered(portraits: np.ndarray, places: Sequence[str], sides: np.ndarray) -> list[Pair]:
    """Find the pairs of images that show the same, shifted by a few pixels, cropped or turned by some degrees.

    The cost is 28 products of an N x 96 and a 96 x N matrix, in blocks, and about a millisecond for each of at most 8 N
    candidates.

    Args:
        portraits: N x 48 x 48 uint8 grey, see `spectra.portrait`.
        places: where each image lies, such as its split and group; images of the same place are not compared.
        sides: the shorter side of each image, pixels; images below LEAST_PX are not compared.

    Returns:
        The pairs, sorted by position, identical images included. They have no distance.
    """
    large = np.flatnonzero(sides >= LEAST_PX)
    if len(large) < 2:
        return []
    chosen = portraits[large]
    spectra = Spectra(chosen)
    _, codes = np.unique(np.asarray(places)[large], return_inverse=True)
    found = []
    for one, other in spectra.candidates(codes):
        correlation = correlate(chosen[one], chosen[other], spectra.standard[one], spectra.standard[other])
        if correlation >= LEAST_CORRELATION:
            found.append(Pair(int(large[one]), int(large[other]), None, correlation))
    return found


def correlate(first: np.ndarray, second: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    """Lay the second image over the first.

    Args:
        first, second: 48 x 48 uint8 grey.
        one, other: their spectra, see `Spectra.standard`.

    Returns:
        The correlation of their structure where both show something, in four digits; 0 if they do not fit.
    """
    fixed, moving = structure(first), structure(second)
    pose = _matched(fixed, moving, one, other)
    if pose.correlation < _WORTH:
        return 0.0
    inside = np.zeros(fixed.shape, np.uint8)
    inside[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = 1
    try:
        turned = _turned(moving, pose.mirrored, pose.quarters)
        _, fit = cv2.findTransformECC(
            fixed, turned, pose.map.astype(np.float32), cv2.MOTION_AFFINE, _CRITERIA, inside, 1
        )
    except cv2.error:  # it did not converge
        return 0.0
    size, back = fixed.shape[::-1], cv2.WARP_INVERSE_MAP
    both = np.logical_and(inside, cv2.warpAffine(inside, fit, size, flags=cv2.INTER_NEAREST | back))
    if not _plausible(fit) or both.mean() < _LEAST_OVERLAP:
        return 0.0
    image = _turned(second, pose.mirrored, pose.quarters)
    laid = cv2.warpAffine(image, fit, size, flags=cv2.INTER_CUBIC | back, borderMode=cv2.BORDER_REFLECT_101)
    return round(_correlation(fixed[both], structure(laid)[both]), 4)


def _matched(fixed: np.ndarray, moving: np.ndarray, one: np.ndarray, other: np.ndarray) -> _Pose:
    """The best pose among those that the spectra allow, by template matching."""
    mirrored, quarters, angle = _best_angle(one, other)
    template = fixed[_TEMPLATE:-_TEMPLATE, _TEMPLATE:-_TEMPLATE]
    edge = _TEMPLATE - _REACH
    best = _Pose(mirrored, quarters, np.eye(2, 3), -1.0)
    for turns in (quarters, quarters + 2):  # a spectrum does not tell half turns
        turned = _turned(moving, mirrored, turns)
        for scale in _SCALES:
            forward = cv2.getRotationMatrix2D((_CENTRE, _CENTRE), angle, scale)
            warped = cv2.warpAffine(turned, forward, fixed.shape[::-1], borderMode=cv2.BORDER_REFLECT_101)
            scores = cv2.matchTemplate(warped[edge:-edge, edge:-edge], template, cv2.TM_CCOEFF_NORMED)
            place = int(scores.argmax())
            if scores.flat[place] > best.correlation:
                down, right = divmod(place, scores.shape[1])
                forward[:, 2] -= (right - _REACH, down - _REACH)
                best = _Pose(mirrored, turns, cv2.invertAffineTransform(forward), float(scores.flat[place]))
    return best


def _best_angle(one: np.ndarray, other: np.ndarray) -> tuple[int, int, float]:
    """Mirroring, quarter turns and degrees that bring the spectrum of the second image closest to that of the first.

    Their correlation at every angle is one product of their transforms along the angle; a mirror image conjugates it.
    """
    transforms = np.fft.rfft(one, axis=0), np.fft.rfft(other, axis=0)
    best = (-np.inf, 0, 0, 0)
    for mirrored, second in enumerate((transforms[1].conj(), transforms[1])):
        correlation = np.fft.irfft((transforms[0] * second).sum(axis=1), ANGLES)
        for quarters in (0, 1):
            for step in range(-_MOST_STEPS, _MOST_STEPS + 1):
                value = float(correlation[(quarters * ANGLES // 2 + step) % ANGLES])
                if value > best[0]:
                    best = (value, mirrored, quarters, step)
    return best[1], best[2], -best[3] * DEGREES


def _turned(image: np.ndarray, mirrored: int, quarters: int) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(image[:, ::-1] if mirrored else image, quarters))


def _plausible(fit: np.ndarray) -> bool:
    """Whether a map is about a rotation, with the scale and the stretch that a crop brings."""
    largest, smallest = np.linalg.svd(fit[:, :2].astype(np.float64), compute_uv=False)
    return bool(1 / _MOST_SCALE < smallest <= largest < _MOST_SCALE and largest / smallest < _MOST_STRETCH)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    x, y = one.astype(np.float64), other.astype(np.float64)
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / max(float(np.sqrt((x * x).sum() * (y * y).sum())), 1e-9))
