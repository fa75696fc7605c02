"""Which images did a run test? One hash a classifier or segmenter: where it differs, metrics cannot be compared.

`test_sha256` of details.json is not it: that array holds the predicted masks too, so a better segmenter would look like
other test images. The hash here is of each test image's id, group, label, sha256 of its pixels and, for a segmenter,
sha256 of its true mask, from data/organized/<dataset>/manifest.csv.

Phantoms are drawn anew on every machine, and a few pixels differ by one grey level between kinds of CPU. What they are
drawn from stands for their pixels: source and recipe, and the size of every image. A change of the drawing code that
leaves all sizes as they were is not noticed.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import yaml

from cytopipe import paths
from cytopipe.errors import CytopipeError
from cytopipe.gate.results import Results
from cytopipe.results.screening import ScreeningDetails
from cytopipe.results.tables import Table

PIXELS = ("sha256", "mask_sha256")
SIZE = ("width", "height")


def test_set(results: Results) -> str:
    """SHA-256 that names the test images of these results, with their groups and labels.

    Raises:
        CytopipeError: when a file that tells of them is missing or broken, or they are not of the dataset.
    """
    predictions = results.predictions
    dataset = _dataset(results)
    source = _section(results, "datasets", dataset, "source")
    phantom = source.get("kind") == "phantom"
    described_by = SIZE if phantom else PIXELS if results.kind == "segmenters" else PIXELS[:1]
    path = paths.Organized(dataset).manifest.as_posix()
    manifest = Table.parse(results.content(path), results.where(path), ("id", "label", *described_by))
    lines = {row["id"]: [row[key] for key in ("label", *described_by)] for row in manifest.rows}
    unknown = [name for name in predictions.ids if name not in lines]
    if unknown:
        raise CytopipeError(f"the test image '{unknown[0]}' is not in it", where=results.where(path))
    digest = hashlib.sha256()
    if phantom:
        digest.update(json.dumps([source, _recipe(results, str(source.get("path")))], sort_keys=True).encode())
    for name, group in sorted(zip(predictions.ids, predictions.groups, strict=True)):
        digest.update(json.dumps([name, group, *lines[name]]).encode() + b"\n")
    return digest.hexdigest()


def _dataset(results: Results) -> str:
    try:
        details = results.details
    except OSError:
        raise CytopipeError("no such file", where=results.where(results.path), hint="run `dvc repro`") from None
    if isinstance(details, ScreeningDetails):
        raise CytopipeError("screenings are not gated", where=results.where(results.path))
    return details.dataset


def _section(results: Results, *keys: str) -> dict[str, Any]:
    """A section of the parameters that the run was made with."""
    path = paths.PARAMS.as_posix()
    section: Any = None
    try:
        section = yaml.safe_load(results.files.read(path))
        for key in keys:
            section = section[key]
    except (OSError, ValueError, yaml.YAMLError):
        raise CytopipeError("missing or unreadable", where=results.where(path)) from None
    except (KeyError, TypeError):
        section = None
    if not isinstance(section, dict):
        raise CytopipeError(
            f"has no {'.'.join(keys)}, of which there are results",
            where=results.where(path),
            hint="run the pipeline with these parameters, or remove the old results",
        )
    return section


def _recipe(results: Results, path: str) -> str | None:
    """SHA-256 of a phantom's recipe; None where it is no file of the project: its path alone counts then."""
    if path.startswith("/") or ".." in path.split("/"):
        return None
    try:
        return hashlib.sha256(results.files.read(path)).hexdigest()
    except OSError:
        return None
