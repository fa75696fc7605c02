"""The audit of one dataset: every check, its figures, and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cytopipe.audit import figures, leaks, marks, patches, shortcuts
from cytopipe.audit.corners import corner_side
from cytopipe.audit.findings import conclude, report
from cytopipe.audit.hashes import Pair, merged, near_duplicates
from cytopipe.audit.label_permutation import label_permutation
from cytopipe.audit.measure import Measures, Subject, measure
from cytopipe.audit.registration import registered
from cytopipe.audit.statistics import NAMES
from cytopipe.core.io.workers import ordered_map
from cytopipe.data.imaging.decode import read_png
from cytopipe.data.manifest import Row, read_manifest
from cytopipe.data.tensors import Stack, load_all
from cytopipe.errors import CytopipeError
from cytopipe.paths import MANIFEST
from cytopipe.results.audit import AuditReport, Finding

Progress = Callable[[Iterable[Any], int], Iterable[Any]]
_CHUNK = 16  # images that a process takes at a time
_SHOWN = 6  # images in a row of a figure
_TRAINED = ("label_permutation", "background_only", "low_frequency_colour", "image_statistics", marks.CHECK)


@dataclass(frozen=True)
class Level:
    """The effort of an audit.

    Attributes:
        images: number of images for the probes, drawn evenly from the classes; None for all. The search for leaks
            always uses all images.
        side: side of the images that the probes see, pixels.
        atoms: number of patches in their dictionary.
        margin: pixels (of an image of that side) around a cell that do not count as background.
        permutations: permutations of the labels per probe.
        repeats: cross-validations per probe.
    """

    images: int | None
    side: int
    atoms: int
    margin: int
    permutations: int
    repeats: int


LEVELS = {
    "quick": Level(images=1200, side=32, atoms=96, margin=2, permutations=200, repeats=1),
    "full": Level(images=None, side=64, atoms=256, margin=4, permutations=500, repeats=3),
}


@dataclass(frozen=True)
class AuditedDataset:
    """A dataset as the audit sees it.

    Attributes:
        name: name of the dataset.
        folder: folder of the organized dataset.
        rows: rows of its manifest, in the order of ids.
        items: N x H x W x 5 uint8 in the same order, with the predicted masks as channels.
        raw: folder of the publisher's files.
    """

    name: str
    folder: Path
    rows: Sequence[Row]
    items: Stack
    raw: Path

    @classmethod
    def load(cls, name: str, organized: Path, tensors: Path, raw: Path) -> AuditedDataset:
        """Read the manifests and memory-map the arrays.

        Raises:
            CytopipeError: the organized dataset and the arrays are not of the same images.
        """
        rows = read_manifest(organized / MANIFEST)
        items, index = load_all(tensors)
        if [(row.id, row.sha256) for row in rows] != [(row.id, row.sha256) for row in index]:
            raise CytopipeError("arrays and organized images differ", where=tensors, hint="rerun build_tensors")
        return cls(name, organized, rows, items, raw)

    @property
    def classes(self) -> list[str]:
        """Names of the classes by class index."""
        names = {row.class_index: row.label for row in self.rows}
        return [names.get(index, "") for index in range(max(names) + 1)]

    def image(self, position: int) -> np.ndarray:
        """The organized image at a position of `rows`, H x W x 3 uint8 RGB."""
        return read_png(self.folder / self.rows[position].path)


def audit(subject: AuditedDataset, level: str, pictures: Path, progress: Progress, workers: int = 1) -> AuditReport:
    """Run every check.

    Args:
        subject: the dataset.
        level: a key of LEVELS.
        pictures: existing folder for the figures.
        progress: wraps the iteration over a number of images, for a progress bar.
        workers: number of processes that measure images.

    Returns:
        All findings and the overall verdict.
    """
    depth = LEVELS[level]
    chosen = sample_images([row.class_index for row in subject.rows], depth.images)
    wanted = set(chosen.tolist())
    sides = np.array([min(row.width, row.height) for row in subject.rows])
    corner = corner_side(sides[chosen])
    images = [
        Subject(subject.folder / row.path, subject.raw / row.source if position in wanted else None, corner)
        for position, row in enumerate(subject.rows)
    ]
    with closing(ordered_map(measure, images, workers, _CHUNK)) as results:
        found = list(progress(results, len(images)))
    pairs = _copies(subject, found, sides)
    findings = [
        leaks.byte_duplicates(subject.rows),
        _near(subject, pairs, pictures),
        leaks.groups_across_splits(subject.rows),
    ]
    units = np.array(leaks.independent_units(subject.rows, pairs))[chosen]
    findings += _train(subject, depth, chosen, units, [found[k] for k in chosen], pictures, workers)
    return report(subject.name, level, subject.rows, findings)


def _copies(subject: AuditedDataset, found: Sequence[Measures], sides: np.ndarray) -> list[Pair]:
    """All pairs of near-duplicates, by hashes and by registration."""
    hashed = near_duplicates(
        np.stack([one.fingerprint for one in found]), np.stack([one.thumbnail for one in found]), sides
    )
    places = [f"{row.split}/{row.group}" for row in subject.rows]
    return merged(hashed, registered(np.stack([one.portrait for one in found]), places, sides))


def sample_images(labels: Sequence[int], most: int | None) -> np.ndarray:
    """Positions of at most `most` images, sorted, drawn evenly from the classes; rare classes are taken whole."""
    if most is None or len(labels) <= most:
        return np.arange(len(labels))
    rng = np.random.default_rng(0)
    values = np.array(labels)
    order = rng.permutation(len(values))
    classes = np.unique(values)
    left, chosen = most, list[int]()
    for rank, label in enumerate(sorted(classes, key=lambda k: int((values == k).sum()))):
        share = left // (len(classes) - rank)  # common classes get what rare ones leave
        taken = [int(k) for k in order if values[k] == label][:share]
        chosen += taken
        left -= len(taken)
    return np.array(sorted(chosen))


def _near(subject: AuditedDataset, pairs: Sequence[Pair], pictures: Path) -> Finding:
    finding = leaks.near_duplicates(subject.rows, pairs)
    across, between, _ = leaks.sort_pairs(subject.rows, pairs)
    shown = [*across, *between][:12]
    if not shown:
        return finding

    def caption(position: int) -> str:
        row = subject.rows[position]
        return f"{figures.short(row.id)}\n{row.split}, {figures.short(row.label)}"

    figures.pairs_figure(
        pictures / "near_duplicates.png",
        [(subject.image(p.first), subject.image(p.second), caption(p.first), caption(p.second)) for p in shown],
    )
    return finding.model_copy(update={"figure": "near_duplicates.png"})


def _train(
    subject: AuditedDataset,
    depth: Level,
    chosen: np.ndarray,
    units: np.ndarray,
    measures: Sequence[Measures],
    pictures: Path,
    workers: int,
) -> list[Finding]:
    """Run the checks that train classifiers."""
    rows = [subject.rows[k] for k in chosen]
    items = subject.items.take(chosen)
    labels = np.array([row.class_index for row in rows])
    conditions = shortcuts.Conditions(labels, units, depth.permutations, depth.repeats)
    dictionary = patches.learn_dictionary(items, depth.side, depth.atoms, seed=0)
    whole, background, shown = patches.features(items, dictionary, depth.margin, workers)
    everything = conditions.probe(whole)
    if everything is None:
        text = "Each class needs three groups or more, and the dataset two such classes and 60 images of them."
        return [conclude(check, "skipped", "too few groups to train on", text) for check in _TRAINED]
    splits = [row.split for row in rows]
    colours = shortcuts.mean_colours([patches.scale(items[k], shortcuts.COLOUR_PX) for k in range(len(items))])
    statistics = dict(zip(NAMES, np.array([one.statistics for one in measures]).T, strict=True))
    families = shortcuts.probe_families(conditions, statistics)
    corners = np.stack([one.corners for one in measures if one.corners is not None])
    covered = _covered(items, np.flatnonzero(shown >= shortcuts.LEAST_SHOWN), depth)
    return [
        label_permutation(whole, splits, units.tolist(), len(set(labels.tolist()))),
        _drawn(*shortcuts.background_only(conditions, background, whole, shown), pictures, covered),
        _drawn(*shortcuts.low_frequency_colour(conditions, colours, everything), pictures, _coarse(items)),
        _drawn(*shortcuts.image_statistics(families, everything), pictures),
        _drawn(
            *marks.fixed_marks(conditions, corners, everything, subject.classes),
            pictures,
            figures.gallery([marks.overlay(corners, labels)[:_SHOWN]]),
            "corners, the mean of each class",
        ),
    ]


def _drawn(
    finding: Finding,
    bars: shortcuts.Bars,
    pictures: Path,
    shown: np.ndarray | None = None,
    title: str = "images, and what was shown of them",
) -> Finding:
    """Draw the figure of a finding (accuracies, and the images as the probe saw them) and add it to the finding."""
    if not bars:
        return finding
    figures.probe_figure(pictures / f"{finding.check}.png", bars, shown, title)
    return finding.model_copy(update={"figure": f"{finding.check}.png"})


def _spread(positions: np.ndarray) -> list[int]:
    """At most _SHOWN of the positions, evenly spread from first to last."""
    places = np.linspace(0, len(positions) - 1, min(_SHOWN, len(positions))).astype(int)
    return [int(positions[place]) for place in places]


def _covered(items: Stack, positions: np.ndarray, depth: Level) -> np.ndarray | None:
    """A figure of images, and below them the same with their cells covered by the mean colour of the background."""
    above, below = [], []
    for position in _spread(positions) if len(positions) else []:
        image = (patches.scale(items[position], depth.side) * 255).round().astype(np.uint8)
        hidden = patches.cover(image[..., patches.CELL], depth.margin) > 0
        left = image[..., :3].copy()
        if not hidden.all():
            left[hidden] = left[~hidden].mean(axis=0)
        above.append(image[..., :3])
        below.append(left)
    return figures.gallery([above, below]) if above else None


def _coarse(items: Stack) -> np.ndarray:
    """A figure of images, and below them their mean colours."""
    above = [np.ascontiguousarray(items[position][..., :3]) for position in _spread(np.arange(len(items)))]
    coarse = [(patches.scale(image, shortcuts.COLOUR_PX) * 255).round().astype(np.uint8) for image in above]
    return figures.gallery([above, coarse])
