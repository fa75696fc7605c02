"""Candidates for copies that were shifted, cropped or turned: images whose fine structure has alike spectra.

The magnitude of a Fourier transform does not change with a shift, and on a polar grid a rotation of the image is a
shift along the angle (Reddy and Chatterji 1996, doi:10.1109/83.506761). Local contrast is normalised first, so that a
faint grain counts as much as the outline that all cells have in common, and only the middle of the image is
transformed, as its margin is what a copy lacks. Each image is compared with all others in five places, at three
angles and in four orientations by matrix products of its leading principal components, block by block; `registration`
decides about the nearest.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import cv2
import numpy as np

PORTRAIT_PX = 48  # side of the images that are compared
ORIENTATIONS = ((0, 0), (0, 1), (1, 0), (1, 1))  # mirrored, quarter turns; half turns leave a magnitude as it is
ANGLES, RADII = 36, 14  # of the polar grid: 5 degrees a step
DEGREES = 180 / ANGLES
NEAREST = 8  # candidates of each image
_PLACES = ((3, 0), (-3, 0), (0, 3), (0, -3))  # of the window beside the middle, pixels
_WINDOW = (12.0, 20.0)  # radii where the window begins to fall and where it ends
_FREQUENCIES = (2.0, 19.0)  # of the polar grid, periods per image
_COMPONENTS = 96
_SAMPLE = 2000  # images that the components are computed from
_BLOCK = 256  # images that are compared with all others at a time: 28 MB for 27,558 images
_NOISE = 1.0  # grey levels of contrast that count as noise


def portrait(grey: np.ndarray) -> np.ndarray:
    """Scale an H x W uint8 image to PORTRAIT_PX x PORTRAIT_PX."""
    shrinks = min(grey.shape[:2]) > PORTRAIT_PX
    size = (PORTRAIT_PX, PORTRAIT_PX)
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def structure(image: np.ndarray) -> np.ndarray:
    """Difference of Gaussians, divided by its local standard deviation; H x W -> H x W float32."""
    values = image.astype(np.float32)
    detail = cv2.GaussianBlur(values, (0, 0), 0.8) - cv2.GaussianBlur(values, (0, 0), 2.0)
    normal: np.ndarray = detail / (np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), 3.0)) + _NOISE)
    return normal


def oriented(spectra: np.ndarray, mirrored: int, quarters: int) -> np.ndarray:
    """The spectra (N x ANGLES x RADII) of the images mirrored left to right, then turned by quarters."""
    if mirrored:
        spectra = np.roll(spectra[:, ::-1], 1, axis=1)
    return np.roll(spectra, ANGLES // 2, axis=1) if quarters else spectra


class Spectra:
    """The spectra of a dataset.

    Args:
        portraits: N x 48 x 48 uint8 grey.

    Attributes:
        standard: N x ANGLES x RADII float32 of unit length, each frequency standardised over the dataset.
    """

    def __init__(self, portraits: np.ndarray) -> None:
        plain = _spectra(portraits, (0, 0))
        self._mean, deviation = plain.mean(axis=(0, 1)), plain.std(axis=(0, 1))
        self._deviation = np.maximum(deviation, 1e-6)
        self.standard = self._standardised(plain)
        self._portraits = portraits

    def _standardised(self, spectra: np.ndarray) -> np.ndarray:
        values = (spectra - self._mean) / self._deviation
        lengths = np.sqrt((values * values).sum(axis=(1, 2), keepdims=True))
        unit: np.ndarray = (values / np.maximum(lengths, 1e-6)).astype(np.float32)
        return unit

    def candidates(self, places: np.ndarray) -> list[tuple[int, int]]:
        """The NEAREST other images of each image.

        Args:
            places: N integers; images of the same place (a group within a split) are not compared.

        Returns:
            Pairs of positions, the first below the second, sorted and each once.
        """
        count = len(places)
        basis = self._components()
        moved = [self._standardised(_spectra(self._portraits, place)) for place in _PLACES]
        turned = [np.roll(self.standard, step, axis=1) for step in (-1, 0, 1)]
        queries = [self._projected(spectra, basis) for spectra in (*turned, *moved)]
        others = [self._projected(oriented(self.standard, *which), basis) for which in ORIENTATIONS]
        nearest = min(NEAREST, count - 1)
        found = set()
        for start in range(0, count if nearest else 0, _BLOCK):
            rows = slice(start, start + _BLOCK)
            best = np.full((len(places[rows]), count), -2, np.float32)
            for query in queries:
                for other in others:
                    np.maximum(best, query[rows] @ other.T, out=best)
            best[places[rows, None] == places[None]] = -2
            for row, columns in enumerate(np.argpartition(-best, nearest - 1, axis=1)[:, :nearest]):
                one = start + row
                found |= {(min(one, int(k)), max(one, int(k))) for k in columns if best[row, k] > -2}
        return sorted(found)

    def _components(self) -> np.ndarray:
        """The leading principal components of the spectra in all orientations, (ANGLES RADII) x _COMPONENTS."""
        chosen = np.linspace(0, len(self.standard) - 1, min(_SAMPLE, len(self.standard))).astype(int)
        sample = self.standard[chosen].astype(np.float64)
        scatter = np.zeros((ANGLES * RADII, ANGLES * RADII))
        for which in ORIENTATIONS:
            flat = oriented(sample, *which).reshape(len(sample), -1)
            scatter += flat.T @ flat
        leading: np.ndarray = np.linalg.eigh(scatter)[1][:, : -_COMPONENTS - 1 : -1].astype(np.float32)
        return leading

    @staticmethod
    def _projected(spectra: np.ndarray, basis: np.ndarray) -> np.ndarray:
        values = spectra.reshape(len(spectra), -1) @ basis
        unit: np.ndarray = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)
        return unit


def _spectra(portraits: np.ndarray, place: tuple[int, int]) -> np.ndarray:
    """Magnitudes of the windowed structure on a polar grid, N x ANGLES x RADII float32; `place` moves the window."""
    return np.stack(list(_each_spectrum(portraits, place)))


def _each_spectrum(portraits: np.ndarray, place: tuple[int, int]) -> Iterator[np.ndarray]:
    window = _window()
    for image in portraits:
        values = np.roll(structure(image), place, axis=(0, 1))
        values = (values - (values * window).sum() / window.sum()) * window
        values /= max(float(np.sqrt((values * values).sum())), 1e-3)
        magnitude = np.fft.fftshift(np.abs(np.fft.fft2(values))).astype(np.float32)
        smooth = cv2.GaussianBlur(magnitude, (0, 0), 1.0)
        polar = np.sqrt(np.maximum(cv2.remap(smooth, *_polar_grid(), cv2.INTER_LINEAR), 0))
        yield polar - polar.mean(axis=0)  # sharpness, which all copies of one make share, does not count


@cache
def _window() -> np.ndarray:
    """A disc with a soft edge."""
    offsets = np.arange(PORTRAIT_PX) - (PORTRAIT_PX - 1) / 2
    radius = np.hypot(offsets[:, None], offsets[None])
    begin, end = _WINDOW
    fall = np.clip((radius - begin) / (end - begin), 0, 1)
    disc: np.ndarray = (0.5 + 0.5 * np.cos(np.pi * fall)).astype(np.float32)
    return disc


@cache
def _polar_grid() -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of the polar grid in a spectrum with its zero frequency in the middle."""
    angles = np.arange(ANGLES)[:, None] * np.pi / ANGLES
    radii = np.linspace(*_FREQUENCIES, RADII)[None]
    middle = PORTRAIT_PX / 2
    return (middle + radii * np.cos(angles)).astype(np.float32), (middle + radii * np.sin(angles)).astype(np.float32)
