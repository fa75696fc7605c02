"""Near-duplicates: perceptual hashes of all eight orientations find candidates, pixels decide.

The hash is imagehash's pHash (signs of the low frequencies of a cosine transform; Zauner 2010) of 256 bits. It alone
takes small cells for alike, because each is one disc: candidates are compared pixel by pixel, after what all images of
the dataset share is whitened away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import imagehash
import numpy as np
from PIL import Image

ORIENTATIONS = 8  # quarter turns, and those of the mirror image
HASH_SIDE = 16  # bits of a side: 256 in all
HASHED_PX = 64  # side of what is hashed
THUMBNAIL_PX = 32  # side of what decides
# Copies at JPEG quality 30, over-exposed by a third or shrunk to 60 % differ in up to 56 bits, mostly in less than 20.
MOST_BITS = 56
# Such copies correlate above 0.82 (19 of 20; seen on five kinds of phantoms and on real smears), unrelated images of
# the same dataset below 0.75, patches of 20 px below 0.82.
LEAST_CORRELATION = 0.82
_SHRINKAGE = 0.1  # of a mean variance: directions with less are noise of compression, not to be amplified
_SAMPLE = 2000  # images that tell what a dataset's images share
_EVEN = 1.0  # grey levels of standard deviation: an image below has nothing to compare
_BLOCK = 64  # images compared at once with all others: 15 MB at 27,558 images


@dataclass(frozen=True)
class Pair:
    """Two near-duplicates: their positions (first < second), differing bits, and the correlation of their pixels."""

    first: int
    second: int
    distance: int
    correlation: float


def orient(image: np.ndarray, orientation: int) -> np.ndarray:
    """One of the 8 orientations of an H x W (x C) array: turned by quarters, the last four mirrored before."""
    mirrored = image[:, ::-1] if orientation >= 4 else image
    return np.ascontiguousarray(np.rot90(mirrored, orientation % 4))


def fingerprint(grey: np.ndarray) -> np.ndarray:
    """Hash every orientation.

    Args:
        grey: H x W uint8.

    Returns:
        8 x 4 uint64, the first row of the image as it is.
    """
    small = _scaled(grey, HASHED_PX)
    hashes = [
        imagehash.phash(Image.fromarray(orient(small, which)), HASH_SIDE, HASHED_PX // HASH_SIDE).hash
        for which in range(ORIENTATIONS)
    ]
    return np.packbits(np.array(hashes).reshape(ORIENTATIONS, -1), axis=1).view(np.uint64)


def thumbnail(grey: np.ndarray) -> np.ndarray:
    """H x W uint8 -> THUMBNAIL_PX x THUMBNAIL_PX uint8."""
    return _scaled(grey, THUMBNAIL_PX)


def _scaled(image: np.ndarray, side: int) -> np.ndarray:
    shrinks = min(image.shape[:2]) > side
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def near_duplicates(fingerprints: np.ndarray, thumbnails: np.ndarray) -> list[Pair]:
    """All pairs of near-duplicates, in order of position.

    Args:
        fingerprints: N x 8 x 4 uint64.
        thumbnails: N x 32 x 32 uint8 grey.

    Returns:
        The pairs, with copies of the same pixels among them. An even image has no detail, and no near-duplicate.
    """
    details = whitened(thumbnails)
    places = np.arange(THUMBNAIL_PX**2).reshape(THUMBNAIL_PX, THUMBNAIL_PX)
    turned = np.stack([orient(places, which).ravel() for which in range(ORIENTATIONS)])
    found: list[Pair] = []
    for first, second, orientation, distance in candidates(fingerprints):
        others = np.take_along_axis(details[second], turned[orientation], axis=1)
        correlation = np.einsum("nd,nd->n", details[first], others)
        found += [
            Pair(int(first[k]), int(second[k]), int(distance[k]), float(correlation[k]))
            for k in np.flatnonzero(correlation >= LEAST_CORRELATION)
        ]
    return sorted(found, key=lambda pair: (pair.first, pair.second))


def candidates(fingerprints: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Pairs whose hashes differ in at most MOST_BITS: (first, second, orientation of the second, bits), in blocks.

    Memory does not grow with the number of pairs compared.
    """
    for start in range(0, len(fingerprints), _BLOCK):
        plain = fingerprints[start : start + _BLOCK, 0]
        best = np.full((len(plain), len(fingerprints) - start), 256, np.uint16)
        turned = np.zeros(best.shape, np.uint8)
        for which in range(ORIENTATIONS):
            bits = np.zeros(best.shape, np.uint16)
            for word in range(plain.shape[1]):
                bits += np.bitwise_count(plain[:, None, word] ^ fingerprints[None, start:, which, word])
            turned[bits < best] = which
            np.minimum(best, bits, out=best)
        rows, columns = np.nonzero(np.triu(best <= MOST_BITS, 1))
        for part in range(0, len(rows), 4096):
            r, c = rows[part : part + 4096], columns[part : part + 4096]
            yield r + start, c + start, turned[r, c], best[r, c]


def whitened(thumbnails: np.ndarray) -> np.ndarray:
    """What tells thumbnails apart: N x 1024 float32 of length 1 (0 where an image is even).

    Brightness and contrast are divided out, and then (ZCA) whatever many images share, as discs and gradients. The
    covariance is that of all 8 orientations, so that turning commutes with whitening: each image is whitened once.
    """
    standard = np.stack([_standard(image) for image in thumbnails])
    chosen = np.linspace(0, len(standard) - 1, min(_SAMPLE, len(standard))).astype(int)
    images = standard[chosen].reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX)
    covariance = np.zeros((THUMBNAIL_PX**2, THUMBNAIL_PX**2))
    for which in range(ORIENTATIONS):
        flat = np.stack([orient(image, which).ravel() for image in images])
        covariance += flat.T @ flat / (len(flat) * ORIENTATIONS)
    variances, directions = np.linalg.eigh(covariance)
    white = directions / np.sqrt(variances.clip(0) + _SHRINKAGE) @ directions.T
    result = standard @ white.astype(np.float32)
    lengths = np.linalg.norm(result, axis=1, keepdims=True)
    return np.divide(result, lengths, out=np.zeros_like(result), where=lengths > 0)


def _standard(image: np.ndarray) -> np.ndarray:
    values = image.astype(np.float32).ravel()
    values -= values.mean()
    deviation = float(values.std())
    return values / deviation if deviation > _EVEN else np.zeros_like(values)
