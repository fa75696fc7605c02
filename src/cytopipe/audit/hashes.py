"""Near-duplicates: perceptual hashes of all eight orientations give candidates, and a comparison of pixels decides.

The hash is imagehash's pHash with 256 bits (signs of the low frequencies of a cosine transform; Zauner 2010). On its
own it confuses images of single small cells, because each shows one disc. Candidates are therefore compared pixel by
pixel, after whitening removes what all images of the dataset have in common.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import imagehash
import numpy as np
from PIL import Image

ORIENTATIONS = 8  # rotations by multiples of 90 degrees, with and without mirroring
HASH_SIDE = 16  # bits per side: 256 in all
HASHED_PX = 64  # side of the image that is hashed
THUMBNAIL_PX = 32  # side of the images that are compared pixel by pixel
# Copies at JPEG quality 30, overexposed by a third or reduced to 60 % differ in up to 56 bits, mostly in less than 20.
MOST_BITS = 56
# 95 % of such copies correlate more strongly, for four kinds of phantoms and real smears; for patches of 20 px fewer
# do. Unrelated images correlate less: 0.76 at most among phantoms of single cells, 0.73 among 22,684 real ones.
LEAST_CORRELATION = 0.78
# Images smaller than a thumbnail contain less that distinguishes them: two of 1,522 phantom patches of 20 px reach 0.8.
LEAST_OF_SMALL = 0.9
_SHRINKAGE = 0.1  # of the mean variance; directions with less are compression noise and must not be amplified
_SAMPLE = 2000  # images that the covariance is estimated from
_EVEN = 1.0  # standard deviation in grey levels below which an image has nothing to compare
_BLOCK = 64  # images that are compared with all others at a time: 15 MB for 27,558 images


@dataclass(frozen=True)
class Pair:
    """Two near-duplicates.

    Attributes:
        first, second: positions of the images, first < second.
        distance: number of differing bits of their hashes; None where `registration` found the pair.
        correlation: correlation of their whitened pixels, or of their structure after registration.
    """

    first: int
    second: int
    distance: int | None
    correlation: float


def orient(image: np.ndarray, orientation: int) -> np.ndarray:
    """One of the 8 orientations of an H x W (x C) array: rotated by quarter turns; the last four are mirrored first."""
    mirrored = image[:, ::-1] if orientation >= 4 else image
    return np.ascontiguousarray(np.rot90(mirrored, orientation % 4))


def fingerprint(grey: np.ndarray) -> np.ndarray:
    """Hash an image in every orientation.

    Args:
        grey: H x W uint8.

    Returns:
        8 x 4 uint64; the first row is the hash of the image as it is.
    """
    small = _scaled(grey, HASHED_PX)
    hashes = [
        imagehash.phash(Image.fromarray(orient(small, which)), HASH_SIDE, HASHED_PX // HASH_SIDE).hash
        for which in range(ORIENTATIONS)
    ]
    return np.packbits(np.array(hashes).reshape(ORIENTATIONS, -1), axis=1).view(np.uint64)


def thumbnail(grey: np.ndarray) -> np.ndarray:
    """Scale an H x W uint8 image to THUMBNAIL_PX x THUMBNAIL_PX."""
    return _scaled(grey, THUMBNAIL_PX)


def _scaled(image: np.ndarray, side: int) -> np.ndarray:
    shrinks = min(image.shape[:2]) > side
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def near_duplicates(fingerprints: np.ndarray, thumbnails: np.ndarray, sides: np.ndarray) -> list[Pair]:
    """Find all pairs of near-duplicates.

    Args:
        fingerprints: N x 8 x 4 uint64.
        thumbnails: N x 32 x 32 uint8 grey.
        sides: the shorter side of each image, pixels.

    Returns:
        The pairs, sorted by position, identical images included. Images of constant grey have no near-duplicates.
    """
    details = WhitenedThumbnails(thumbnails)
    least = np.where(sides < THUMBNAIL_PX, LEAST_OF_SMALL, LEAST_CORRELATION)
    found: list[Pair] = []
    for first, second, orientation, distance in candidates(fingerprints):
        correlation = details.correlation(first, second, orientation)
        found += [
            Pair(int(first[k]), int(second[k]), int(distance[k]), float(correlation[k]))
            for k in np.flatnonzero(correlation >= np.maximum(least[first], least[second]))
        ]
    return sorted(found, key=lambda pair: (pair.first, pair.second))


def merged(first: Sequence[Pair], second: Sequence[Pair]) -> list[Pair]:
    """All pairs, sorted by position; of a pair that is in both, the first."""
    pairs = {(pair.first, pair.second): pair for pair in (*second, *first)}
    return [pairs[key] for key in sorted(pairs)]


def candidates(fingerprints: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Find the pairs whose hashes differ in at most MOST_BITS, in constant memory per block of images.

    Args:
        fingerprints: N x 8 x 4 uint64.

    Yields:
        For K pairs: first positions, second positions, orientations of the second image, and differing bits.
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


class WhitenedThumbnails:
    """Thumbnails of a dataset, whitened so that what they have in common, such as a disc, does not count as similarity.

    The inner product of two whitened images is x' (C + shrinkage)^-1 y. C is the covariance over all 8 orientations; it
    commutes with changes of the orientation, so that each image is whitened only once. Brightness and contrast are
    normalised first.

    Args:
        thumbnails: N x 32 x 32 uint8 grey.
    """

    def __init__(self, thumbnails: np.ndarray) -> None:
        self.plain = _standard(thumbnails)
        pixels = self.plain.shape[1]
        chosen = np.linspace(0, len(thumbnails) - 1, min(_SAMPLE, len(thumbnails))).astype(int)
        places = np.arange(pixels).reshape(THUMBNAIL_PX, THUMBNAIL_PX)
        self.turned = np.stack([orient(places, which).ravel() for which in range(ORIENTATIONS)])
        once = self.plain[chosen].T @ self.plain[chosen] / len(chosen)
        covariance = _SHRINKAGE * np.eye(pixels)
        for order in self.turned:
            covariance += once[np.ix_(order, order)] / ORIENTATIONS
        self.white = self.plain @ np.linalg.inv(covariance).astype(np.float32)
        self.lengths = np.sqrt(np.einsum("nd,nd->n", self.plain, self.white).clip(0))

    def correlation(self, first: np.ndarray, second: np.ndarray, orientation: np.ndarray) -> np.ndarray:
        """Cosine similarity of K pairs, with the second images in the given orientations; 0 for constant images."""
        others = np.take_along_axis(self.white[second], self.turned[orientation], axis=1)
        inner = np.einsum("nd,nd->n", self.plain[first], others)
        lengths = self.lengths[first] * self.lengths[second]
        cosine: np.ndarray = np.divide(inner, lengths, out=np.zeros_like(inner), where=lengths > 0)
        return cosine


def _standard(thumbnails: np.ndarray) -> np.ndarray:
    """N x H x W uint8 -> N x (H W) float32 with mean 0 and standard deviation 1; images of constant grey become 0."""
    values = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    deviations = values.std(axis=1, keepdims=True)
    standard: np.ndarray = np.divide(values, deviations, out=np.zeros_like(values), where=deviations > _EVEN)
    return standard
