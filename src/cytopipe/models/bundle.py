"""A self-contained classifier folder: networks, segmenter, an example image of each class, and a README."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from torch import nn

from cytopipe.core.io.atomic import write_text
from cytopipe.core.params import STRETCH, Fit, Scale
from cytopipe.data.imaging.decode import encode_png
from cytopipe.data.tensors import Items
from cytopipe.errors import CytopipeError
from cytopipe.models.ensemble import save_ensemble
from cytopipe.models.files import EXAMPLE, FOLDS, MAIN, SEGMENTER, SUMS, WEIGHTS, place_of_segmenter
from cytopipe.models.folder import list_file, save_model
from cytopipe.models.folds import Folds
from cytopipe.models.members import spec_of
from cytopipe.models.usage import README, usage
from cytopipe.results.ensemble import Kind
from cytopipe.results.guarantees import GuaranteeRule
from cytopipe.results.model_spec import SPEC, DecisionRule, ModelSpec


@dataclass(frozen=True)
class Together:
    """The decision rule of several networks as one classifier, how many images of how many groups chose it, and what
    the networks guarantee together.
    """

    rule: DecisionRule
    images: int
    groups: int
    guarantees: GuaranteeRule | None = None


def save_classifier(
    folder: Path,
    name: str,
    networks: Mapping[str, tuple[nn.Module, ModelSpec]],
    folds: Mapping[str, int],
    examples: Mapping[str, bytes],
    segmenter: Path | None,
    further: Mapping[str, Mapping[str, bytes]] | None = None,
    together: Together | None = None,
) -> None:
    """Write everything that a classifier needs into an existing folder.

    Args:
        folder: the classifier's folder.
        name: the classifier's name, for its README.
        networks: network and specification by subfolder (`MAIN`, `folds/0`, `seeds/1`).
        folds: fold in which each image is tested, by image id; empty without cross-validation.
        examples: PNG files by name, as returned by `example_images`.
        segmenter: model folder to copy, for a classifier that takes masks; otherwise None.
        further: further files by subfolder and name, such as the rule for patients.
        together: what several networks decide as one classifier; without it, each network stands alone.
    """
    more = further or {}
    for part, (model, spec) in networks.items():
        save_model(folder / part, model, spec, {**examples, **more.get(part, {})})
        write_text(folder / part / README, usage(name, spec))
    if segmenter:
        copy_segmenter(segmenter, folder / SEGMENTER)
    if folds:
        Folds(folds, folder).write()
        list_file(folder, FOLDS, (folder / FOLDS).read_bytes())
    if together:
        kind: Kind = "folds" if folds else "seeds"
        chosen_on = (together.images, together.groups)
        ensemble = save_ensemble(folder, kind, list(networks), together.rule, *chosen_on, together.guarantees)
        write_text(folder / README, usage(name, spec_of(folder), ensemble))
    if MAIN not in networks:
        for file, content in more.get(MAIN, {}).items():
            list_file(folder, file, content)


def copy_segmenter(segmenter: Path, target: Path) -> None:
    """Copy the main model of a segmenter, without those of its folds, into the new folder `target`."""
    target.mkdir(parents=True)
    for name in (WEIGHTS, SPEC, SUMS):
        shutil.copyfile(segmenter / name, target / name)


def segmenter_of(classifier: Path) -> Path:
    """Folder of the segmenter that predicts masks for a classifier; its folds and seeds share one segmenter.

    Raises:
        CytopipeError: the classifier's folder has no segmenter.
    """
    segmenter = place_of_segmenter(classifier)
    if not segmenter.is_dir():
        raise CytopipeError(
            "the classifier takes masks, but its folder holds no segmenter",
            where=segmenter.parent,
            hint="name one: --segmenter models/segmenters/NAME",
        )
    return segmenter


def example_images(
    items: Items, labels: Sequence[int] | np.ndarray, prepared: bool = False, fit: Fit = STRETCH
) -> dict[str, bytes]:
    """The first image of each class, to be stored with a model.

    Args:
        items: N x S x S x 5 uint8.
        labels: N class indices.
        prepared: whether the range or the channels of the images were chosen already; see `encode_png`.
        fit: how images became items. At a scale in source pixels, the examples are brought back to that of the source,
            because the model will reduce them again; at one in micrometres, each says how large its pixels are.

    Returns:
        PNG files by name, such as `example_0.png`.
    """
    firsts = {int(label): place for place, label in reversed(list(enumerate(labels)))}
    examples = {label: np.asarray(items[firsts[label]])[..., :3] for label in sorted(firsts)}
    size = fit.um_per_pixel if isinstance(fit, Scale) else None
    return {EXAMPLE.format(label): encode_png(_unscaled(item, fit), prepared, size) for label, item in examples.items()}


def _unscaled(item: np.ndarray, fit: Fit) -> np.ndarray:
    if isinstance(fit, str) or fit.source_pixels is None:
        return item
    side = max(1, round(len(item) * fit.source_pixels))
    how = cv2.INTER_NEAREST_EXACT if side > len(item) else cv2.INTER_AREA  # reduced again, repeated pixels are the item
    larger: np.ndarray = cv2.resize(item, (side, side), interpolation=how)
    return larger
