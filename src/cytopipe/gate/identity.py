"""Identity of the test images of a run: a hash per model. If it differs, metrics cannot be compared.

`test_sha256` of details.json does not serve: that array also contains the predicted masks, so a better segmenter would
look like other test images. The hash here covers id, group, label and SHA-256 of the pixels of each test image and, for
a segmenter, SHA-256 of its true mask, from data/organized/<dataset>/manifest.csv.

Phantoms are drawn anew on every machine, and a few pixels differ by one grey level between types of CPU. Their source,
recipe and image sizes therefore stand for their pixels. A change of the drawing code that keeps all sizes is not
noticed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePosixPath
from typing import Any

import yaml

from cytopipe import paths
from cytopipe.core.params.yaml_text import load_yaml
from cytopipe.errors import CytopipeError
from cytopipe.gate.results import Results
from cytopipe.results.screening import FieldScores, ScreeningDetails
from cytopipe.results.tables import Table

PIXELS = ("sha256", "mask_sha256")
SIZE = ("width", "height")


def test_set(results: Results) -> str:
    """SHA-256 that identifies the test images of these results, with their groups and labels.

    Raises:
        CytopipeError: if a file that describes them is missing or invalid, or the dataset does not contain them.
    """
    predictions = results.predictions
    dataset = _dataset(results)
    if isinstance(predictions, FieldScores):
        return _fields(results, dataset, predictions)
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
        return str(_section(results, "screenings", PurePosixPath(results.path).parent.name).get("dataset"))
    return details.dataset


def _fields(results: Results, dataset: str, found: FieldScores) -> str:
    """SHA-256 that identifies test fields: the publisher's files, and the annotated cells of each field by class."""
    source = _section(results, "datasets", dataset, "source")
    digest = hashlib.sha256()
    if source.get("kind") == "phantom":
        digest.update(json.dumps([source, _recipe(results, str(source.get("path")))], sort_keys=True).encode())
    else:
        digest.update(results.content(paths.Raw(dataset).manifest.as_posix()))
    for row in sorted(found.rows, key=lambda row: row.field):
        digest.update(json.dumps([row.field, row.group, row.true, sorted(row.true_of.items())]).encode() + b"\n")
    return digest.hexdigest()


def _section(results: Results, *keys: str) -> dict[str, Any]:
    """A section of the parameters of the run."""
    path = paths.PARAMS.as_posix()
    section: Any = None
    try:
        section = load_yaml(results.files.read(path).decode("utf-8-sig"))
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
    """SHA-256 of a phantom's recipe; None if it is not a file of the project, so that only its path counts."""
    if path.startswith("/") or ".." in path.split("/"):
        return None
    try:
        return hashlib.sha256(results.files.read(path)).hexdigest()
    except OSError:
        return None
