"""What the audit measures of each image on its own, in several processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cytopipe.audit.corners import corners
from cytopipe.audit.hashes import fingerprint, thumbnail
from cytopipe.audit.spectra import portrait
from cytopipe.audit.statistics import NAMES, file_statistics, image_statistics
from cytopipe.data.imaging.decode import read_png


@dataclass(frozen=True)
class Subject:
    """An image to measure.

    Attributes:
        image: the organized image.
        source: the publisher's file, for the statistics; None to leave them and the corners out.
        corner: side of the corners that are searched for marks, pixels.
    """

    image: Path
    source: Path | None
    corner: int


@dataclass(frozen=True)
class Measures:
    """Measures of an image.

    Attributes:
        fingerprint: 8 x 4 uint64, see `hashes.fingerprint`.
        thumbnail: 32 x 32 uint8 grey.
        portrait: 48 x 48 uint8 grey.
        corners: see `corners.corners`; None where they were left out.
        statistics: a value for each of NAMES; empty where they were left out.
    """

    fingerprint: np.ndarray
    thumbnail: np.ndarray
    portrait: np.ndarray
    corners: np.ndarray | None
    statistics: list[float]


def measure(subject: Subject) -> Measures:
    """Decode an image and measure it.

    Raises:
        CytopipeError: one of the files is not an image.
    """
    image = read_png(subject.image)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    found = image_statistics(image) | file_statistics(subject.source) if subject.source else {}
    return Measures(
        fingerprint=fingerprint(grey),
        thumbnail=thumbnail(grey),
        portrait=portrait(grey),
        corners=corners(grey, subject.corner) if subject.source else None,
        statistics=[found[name] for name in NAMES if found],
    )
