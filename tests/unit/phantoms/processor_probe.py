"""Prints sha256 sums, as JSON, of what the project draws, splits and cuts at a threshold: on this processor.

    python processor_probe.py [PART ...]

`test_processors.py` runs it with parts of the processor switched off.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from cytopipe_phantoms.registry import find_writer
from cytopipe_phantoms.writer import Request, encode_image

TABLES = Path(__file__).parents[3] / "workflow" / "phantoms"
# Table and size of one small phantom of each layout: units, images of each, scale.
LAYOUTS = {
    "bethesda": ("bethesda", 1, 1, 0.25),
    "cell_background": ("bethesda", 1, 4, 1.0),
    "hep2": ("hep2", 1, 1, 0.5),
    "herlev": ("herlev", 1, 1, 0.25),
    "malaria": ("malaria", 1, 1, 0.25),
    "sipakmed": ("cervix", 1, 3, 0.1),
    "wbc": ("wbc", 1, 1, 0.5),
}


def draw(layout: str) -> str:
    """Sum of the files of a phantom."""
    table, units, images, scale = LAYOUTS[layout]
    with TemporaryDirectory() as folder:
        request = Request(seed=5, fields_per_class=units, cells_per_field=images, scale=scale)
        find_writer(layout, "layout").write(Path(folder), TABLES / f"{table}.yaml", request)
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return checksum(*(path.relative_to(folder).as_posix().encode() + path.read_bytes() for path in files))


def split() -> str:
    """Sum of the parts of groups of uneven size and many classes."""
    from cytopipe.data.splits import divide

    rng = np.random.default_rng(3)
    groups = [f"g{number}" for number in np.repeat(np.arange(300), rng.integers(1, 20, 300))]
    labels = [f"c{number}" for number in rng.integers(7, size=len(groups))]
    return checksum(bytes(divide(labels, groups, (0.6, 0.15, 0.25), 1, "split")))


def otsu_masks() -> str:
    """Sum of the masks that Otsu's threshold cuts out of noisy blobs, at another size than the pictures'."""
    import torch

    from cytopipe.core.params import View
    from cytopipe.models.inference.segment import Segmentation
    from cytopipe.models.registry import build
    from cytopipe.models.transforms import InputTransform

    view = View(view="whole", input_size=64)
    segmentation = Segmentation(build("otsu"), InputTransform("rgb", (0.0,) * 3, (1.0,) * 3, torch.device("cpu")), view)
    return checksum(*(mask.tobytes() for mask in segmentation.masks(pictures(12, 78, 3))))


def resized() -> str:
    """Sum of pictures made smaller and larger."""
    from cytopipe.data.imaging.decode import resize_rgb

    sizes = ((20, 20), (64, 64), (100, 37), (224, 224))
    return checksum(*(resize_rgb(picture, size).tobytes() for picture in pictures(8, 91, 3) for size in sizes))


def encoded() -> str:
    """Sum of pictures as PNG and JPEG."""
    return checksum(*(encode_image(picture, suffix) for picture in pictures(4, 200, 3) for suffix in (".png", ".jpg")))


def pictures(count: int, side: int, channels: int) -> list[np.ndarray]:
    """Noisy pictures of dark discs, (side, side + 7, channels) uint8 each."""
    rng = np.random.default_rng(4)
    result = []
    for _ in range(count):
        picture = rng.integers(120, 256, (side, side + 7, channels), dtype=np.uint8)
        for grey in (110, 50):
            x, y, radius = rng.integers(side // 4, side // 2, 3).tolist()
            disc = cv2.circle(np.zeros(picture.shape[:2], np.uint8), (x, y), radius, 1, cv2.FILLED) > 0
            picture[disc] = picture[disc] // 4 + grey // 2
        result.append(picture)
    return result


def checksum(*parts: bytes) -> str:
    """sha256 of all parts, one after the other."""
    return hashlib.sha256(b"".join(parts)).hexdigest()


PARTS: dict[str, Callable[[], str]] = {
    **{layout: partial(draw, layout) for layout in LAYOUTS},
    "split": split,
    "otsu_masks": otsu_masks,
    "resized": resized,
    "encoded": encoded,
}

if __name__ == "__main__":
    print(json.dumps({part: PARTS[part]() for part in sys.argv[1:] or PARTS}))
