"""Every path of the pipeline, once. All are relative to the project's root, where the engines run.

dvc.yaml names the same paths, or the folders that hold them, as outputs; a test keeps the two in step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

PARAMS = Path("params.yaml")
STATE = Path(".cytopipe")  # locks, downloads, checkpoints, provenance, tracebacks, caches, hashes: never an output
LOCKS, DOWNLOADS = STATE / "locks", STATE / "downloads"
CHECKPOINTS, TIMES, LOGS = STATE / "checkpoints", STATE / "times", Path("logs")  # TIMES: of the last runs of stages
CACHES = STATE / "caches"  # of libraries
HASHES, WRITTEN = STATE / "hashes.sqlite", STATE / "written"  # WRITTEN: hashes of what each stage wrote
PROVENANCE = STATE / "provenance"
TRACEBACKS = STATE / "tracebacks"  # of errors that are not the user's, one file a stage
RECORD = Path("workflow/record.json")
PRESETS, PHANTOMS = Path("workflow/presets"), Path("workflow/phantoms")
SCHEMA = Path("workflow/schemas/params.schema.json")
LEADERBOARD_JSON, LEADERBOARD_MD = Path("results/leaderboard.json"), Path("results/leaderboard.md")
SCREENINGS = Path("results/screenings/screenings.json")
EVALUATIONS = Path("results/external/evaluations.json")
EMBEDDINGS = Path("results/embeddings/README.md")  # not of one embedding: it is there without any, too
REPORT, CARDS = Path("results/report.html"), Path("results/cards")
RECIPES, CORRECTIONS = Path("workflow/sources"), Path("workflow/corrections")

SUBGROUPS, GUARANTEES = "subgroups.json", "guarantees.json"  # in the clinical folder of a classifier
SUSPECTS, HOW_SUSPECTED = "suspects.csv", "suspects.json"  # in the folders of audits and of classifiers with folds
MANIFEST, PREDICTED = "manifest.csv", "predicted"


class _Folder(ABC):
    """Results in a folder."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Folder that holds the outputs."""


@dataclass(frozen=True)
class Entry(_Folder):
    """Results of one entry of params.yaml, in a folder that is called after it."""

    name: str
    parent: ClassVar[Path]

    @property
    def folder(self) -> Path:
        """Folder that holds the outputs."""
        return self.parent / self.name


class _Listed(Entry):
    """Files with a table that lists them."""

    @property
    def manifest(self) -> Path:
        """The list of the publisher's files with their hashes; later, the table of the images, a row an image."""
        return self.folder / MANIFEST


class Raw(_Listed):
    """What a publisher distributes, unpacked and never changed."""

    parent = Path("data/raw")

    @property
    def files(self) -> Path:
        """The publisher's files in their own layout."""
        return self.folder / "files"

    @property
    def left_out(self) -> Path:
        """Numbers of files that the source has and `files` has not, by reason; only where there are some."""
        return self.folder / "left_out.json"


class Organized(_Listed):
    """An ImageFolder per split, ground-truth masks, manifest and summary; paths are relative to the folder."""

    parent = Path("data/organized")

    @property
    def masks(self) -> Path:
        """Ground-truth palette masks, `<id>.png`, where the publisher gives them."""
        return self.folder / "masks"

    @property
    def summary(self) -> Path:
        """Counts, classes, groups, duplicates and refused images."""
        return self.folder / "summary.json"


class Masks(_Listed):
    """Predicted palette masks of every image of a dataset; the manifest's mask paths are relative to the folder."""

    parent = Path("data/masks")

    @property
    def predicted(self) -> Path:
        """The masks, `<id>.png`."""
        return self.folder / PREDICTED

    @property
    def segmenter(self) -> Path:
        """A copy of the model that masks images of no fold, for the folders of classifiers."""
        return self.folder / "segmenter"


class Tensors(_Listed):
    """One uint8 array a split, N x H x W x 5, and the manifest in the same order."""

    parent = Path("data/tensors")

    def array(self, split: str) -> Path:
        """The array of one split."""
        return self.folder / f"{split}.npy"

    @property
    def summary(self) -> Path:
        """How the images became squares."""
        return self.folder / "summary.json"


class Audit(Entry):
    """What an audit of a dataset found."""

    parent = Path("results/audits")

    @property
    def findings(self) -> Path:
        """Every check with its verdict."""
        return self.folder / "audit.json"

    @property
    def figures(self) -> Path:
        """Folder of the pictures that the findings name."""
        return self.folder / "figures"


class Drawn(_Folder):
    """A folder of results with figures, and with the tables that they are drawn from."""

    @property
    def plots(self) -> Path:
        """Folder of the plot tables."""
        return self.folder / "plots"

    @property
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.folder / "figures"


class _Scored(Drawn):
    """A folder of results with numbers too."""

    @property
    def metrics(self) -> Path:
        """The few flat numbers that `dvc metrics show` prints."""
        return self.folder / "metrics.json"

    @property
    def details(self) -> Path:
        """What was tested, how, and every number with its interval."""
        return self.folder / "details.json"


@dataclass(frozen=True)
class Trained(_Scored):
    """What a trained network leaves: a model folder and its results."""

    kind: str  # "segmenters" or "classifiers"
    name: str

    @property
    def model(self) -> Path:
        """Self-contained model folder."""
        return Path("models") / self.kind / self.name

    @property
    def results(self) -> Path:
        """Folder that holds the results of this model."""
        return Path("results") / self.kind / self.name

    @property
    def folder(self) -> Path:
        """The same: folder that holds the results of this model."""
        return self.results

    @property
    def training(self) -> Path:
        """Folder of the loss and measures of every epoch, as tables and a figure."""
        return self.results / "training"

    @property
    def predictions(self) -> Path:
        """One row a test image: classes of a classifier, overlaps of a segmenter."""
        return self.results / "predictions.csv"

    @property
    def clinical(self) -> Path:
        """Folder of what a clinic asks of a classifier: patients, subgroups, guarantees, unfamiliar images."""
        return self.results / "clinical"


class Explained(Entry, Drawn):
    """What a classifier looks at."""

    parent = Path("results/explanations")

    @property
    def summary(self) -> Path:
        """The images that are shown, and every measure."""
        return self.folder / "explanations.json"

    @property
    def panels(self) -> Path:
        """Folder of the pictures, `<id>.png`."""
        return self.folder / "panels"


class Screened(Entry, _Scored):
    """What was found in whole fields."""

    parent = SCREENINGS.parent

    @property
    def detections(self) -> Path:
        """One row a found cell."""
        return self.folder / "detections.csv"

    @property
    def fields(self) -> Path:
        """One row a field."""
        return self.folder / "fields.csv"


class External(Entry, _Scored):
    """What a trained model gives on the images of another laboratory."""

    parent = EVALUATIONS.parent

    @property
    def predictions(self) -> Path:
        """One row an image: classes of a classifier, overlaps of a segmenter."""
        return self.folder / "predictions.csv"


class Embedded(Entry):
    """Features of a dataset's images by one encoder, and what probes make of them."""

    parent = EMBEDDINGS.parent

    @property
    def features(self) -> Path:
        """Folder of the features, a row an image, and of the table of these images."""
        return Path("data/embeddings") / self.name

    @property
    def model(self) -> Path:
        """Model folder of encoder and linear probe; empty without this probe."""
        return Path("models/embeddings") / self.name

    @property
    def metrics(self) -> Path:
        """The few flat numbers that `dvc metrics show` prints."""
        return self.folder / "metrics.json"

    @property
    def probes(self) -> Path:
        """The encoder, the settings that were chosen for each probe, and every number with its interval."""
        return self.folder / "probes.json"

    @property
    def predictions(self) -> Path:
        """Folder of the predictions of the test images, `<probe>.csv`."""
        return self.folder / "predictions"


def segmenter(name: str) -> Trained:
    """Paths of a segmenter."""
    return Trained("segmenters", name)


def classifier(name: str) -> Trained:
    """Paths of a classifier."""
    return Trained("classifiers", name)


def validation(classifier_name: str) -> Path:
    """Predictions of the images that chose the decision rule: validation images, or with folds all, out of fold."""
    return classifier(classifier_name).training / "validation.csv"
