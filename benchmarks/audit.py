"""What the audit finds: planted copies and marks on the demo's phantoms and on real images, and its false alarms.

python benchmarks/audit.py                             the demo's phantoms
python benchmarks/audit.py --archives FOLDER --write   real images too; writes docs/audit.json
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer

from copies import ROOT

sys.path.insert(0, str(ROOT))

from cytopipe.audit.audit import LEVELS, sample_images
from cytopipe.audit.corners import corner_side, corners
from cytopipe.audit.hashes import fingerprint, merged, near_duplicates, thumbnail
from cytopipe.audit.leaks import independent_units
from cytopipe.audit.linear_probe import ProbeResult
from cytopipe.audit.marks import fixed_marks
from cytopipe.audit.registration import LEAST_PX, registered
from cytopipe.audit.shortcuts import Conditions
from cytopipe.audit.spectra import portrait
from cytopipe.core.io.archives import extract_archive
from cytopipe.core.params import SPLITS, Dataset, load_params
from cytopipe.data.imaging.decode import read_png
from cytopipe.data.manifest import Row
from cytopipe.data.organize import organize
from cytopipe.sources.fetch import fetch

RESULTS = ROOT / "docs/audit.json"
PLANTED = 25  # copies of each kind
LARGE_PX = 28  # of the shorter side of images that are copied, so that crops are not below LEAST_PX
REAL = {  # archive by preset
    "wbc": "wbc_dataset1.zip",
    "herlev": "herlev_smear2005.zip",
    "bethesda": "lbc_bethesda_db4.zip",
    "hep2": "hep2_icpr2014.zip",
    "malaria": "nlm_malaria_50px_grey.zip",
}
REFERENCE = ProbeResult(accuracy=1.0, low=1.0, high=1.0, chance=0.5, p=0.01, images=1, units=1)
Image = np.ndarray


def moved(image: Image, right: float = 0, down: float = 0, degrees: float = 0) -> Image:
    """Shifted or turned within the frame; what comes in from outside mirrors what lies inside."""
    height, width = image.shape
    change = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    change[:, 2] += np.array((right, down))
    return cv2.warpAffine(image, change, (width, height), borderMode=cv2.BORDER_REFLECT_101)


def cropped(image: Image, near: float, far: float) -> Image:
    """Without these shares at the left and top, and at the right and bottom."""
    height, width = image.shape
    return image[round(near * height) : height - round(far * height), round(near * width) : width - round(far * width)]


COPIES: dict[str, Callable[[Image], Image]] = {
    "shifted by 3 px": lambda image: moved(image, right=3),
    "shifted by 3 px both ways": lambda image: moved(image, right=3, down=-3),
    "cropped by 5 % at two sides": lambda image: cropped(image, 0.05, 0),
    "cropped by 5 % at four sides": lambda image: cropped(image, 0.05, 0.05),
    "turned by 7 degrees": lambda image: moved(image, degrees=7),
    "turned by -7 degrees and mirrored": lambda image: moved(image, degrees=-7)[:, ::-1].copy(),
}


def serial_number(image: Image, number: int) -> Image:
    """A running number in the lower left corner."""
    marked = image.copy()
    cv2.putText(marked, f"{number:03d}", (1, image.shape[0] - 2), cv2.FONT_HERSHEY_PLAIN, 0.6, 255, 1)
    return marked


def hot_pixel(image: Image, number: int) -> Image:
    """One white pixel near the upper right corner."""
    marked = image.copy()
    marked[5, -7] = 255
    return marked


MARKS = {"a serial number": serial_number, "one hot pixel": hot_pixel}


def measure(rows: Sequence[Row], images: Sequence[Image]) -> dict[str, Any]:
    """Plant copies and marks in a dataset and look for them."""
    rng = np.random.default_rng(0)
    large = [k for k, image in enumerate(images) if min(image.shape) >= LARGE_PX]
    sources = rng.permutation(large if len(large) > PLANTED * len(COPIES) else len(images))
    chosen = sources[: PLANTED * len(COPIES)].reshape(len(COPIES), -1)
    planted = [(kind, int(source)) for kind, sources in zip(COPIES, chosen, strict=True) for source in sources]
    everything = [*images, *(COPIES[kind](images[source]) for kind, source in planted)]
    sides = np.array([min(image.shape) for image in everything])
    places = [f"{row.split}/{row.group}" for row in rows] + [f"copy {number}" for number in range(len(planted))]
    hashed = near_duplicates(
        np.stack([fingerprint(image) for image in everything]),
        np.stack([thumbnail(image) for image in everything]),
        sides,
    )
    start = time.perf_counter()
    laid = registered(np.stack([portrait(image) for image in everything]), places, sides)
    seconds = time.perf_counter() - start
    pairs = {(pair.first, pair.second) for pair in merged(hashed, laid)}
    found = dict.fromkeys(COPIES, 0)
    for number, (kind, source) in enumerate(planted):
        found[kind] += (source, len(images) + number) in pairs
    own = [pair for pair in laid if pair.second < len(images)]
    return {
        "images": len(images),
        "too small": int((sides[: len(images)] < LEAST_PX).sum()),
        "planted": chosen.shape[1],
        "found": found,
        "other pairs": len(own),
        "pairs": [f"{rows[pair.first].id} {rows[pair.second].id}" for pair in own][:50],
        "seconds": round(seconds, 1),
        "marks": marks_of(rows, images),
    }


def marks_of(rows: Sequence[Row], images: Sequence[Image]) -> dict[str, Any]:
    """Verdict and balanced accuracy of the probe of corners, without and with a mark in the most frequent class."""
    depth = LEVELS["quick"]
    classes = np.array([row.class_index for row in rows])
    chosen = sample_images(classes.tolist(), depth.images)
    units = np.array(independent_units(rows, []))[chosen]
    conditions = Conditions(classes[chosen], units, depth.permutations, depth.repeats)
    side = corner_side(np.array([min(images[k].shape) for k in chosen]))
    names = [next((row.label for row in rows if row.class_index == k), "") for k in range(classes.max() + 1)]
    marked_class = np.bincount(classes[chosen]).argmax()
    results = {}
    for name, mark in {"none": lambda image, number: image, **MARKS}.items():
        drawn = [mark(images[k], int(k)) if classes[k] == marked_class else images[k] for k in chosen]
        finding, _ = fixed_marks(conditions, np.stack([corners(image, side) for image in drawn]), REFERENCE, names)
        accuracy = finding.numbers["told_accuracy"]
        results[name] = {"verdict": finding.verdict, "told": None if accuracy is None else round(accuracy, 2)}
    return results


def organized(name: str, config: Dataset, raw: Path, folder: Path) -> tuple[list[Row], list[Image]]:
    """Organize raw files; returns the rows and the grey images."""
    folders = {part: folder / part for part in (*SPLITS, "masks")}
    for made in folders.values():
        made.mkdir(parents=True)
    rows, _ = organize(name, config, raw, folders, lambda items, total: items)
    return rows, [cv2.cvtColor(read_png(folder / row.path), cv2.COLOR_RGB2GRAY) for row in rows]


def datasets_of(preset: str) -> dict[str, Dataset]:
    """The datasets of a preset."""
    return dict(load_params(ROOT / f"workflow/presets/{preset}.yaml").datasets)


def main(
    archives: Annotated[Path | None, typer.Option(help="Folder of the archives of real images.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Measure only this dataset; repeatable.")] = None,
    most: Annotated[int, typer.Option(help="Images of a dataset; of more, a sample is drawn.")] = 500,
    write: Annotated[bool, typer.Option(help="Also write docs/audit.json.")] = False,
) -> None:
    """Measure and print what is found."""
    cv2.setNumThreads(1)
    results = json.loads(RESULTS.read_text()) if only and RESULTS.exists() else {}
    os.chdir(ROOT)  # paths in the presets
    sources = [("phantoms", name, one) for name, one in datasets_of("demo").items()]
    sources += [("real", preset, next(iter(datasets_of(preset).values()))) for preset in REAL if archives]
    for kind, name, config in sources:
        title = f"{name}, {kind}"
        if only and title not in only:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            raw = Path(temporary) / "raw"
            raw.mkdir()
            if kind == "real":
                assert archives
                extract_archive(archives / REAL[name], raw)
            else:
                fetch(config.source, raw, dataset=name, cache=raw, workers=1)
            rows, images = organized(name, config, raw, Path(temporary) / "organized")
        kept = np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)
        results[title] = measure([rows[k] for k in kept], [images[k] for k in kept])
        print(title, json.dumps(results[title]), flush=True)
        if write:
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
