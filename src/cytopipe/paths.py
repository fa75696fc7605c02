"""Every path of the pipeline, once. All are relative to the project's root, where the engines run.

dvc.yaml names the same paths, or the folders that hold them, as outputs; a test keeps the two in step.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PARAMS = Path("params.yaml")
STATE = Path(
    ".cytopipe"
)  # locks, downloads, checkpoints, provenance, tracebacks, caches and known hashes: never an output
LOCKS = STATE / "locks"
DOWNLOADS = STATE / "downloads"
CHECKPOINTS = STATE / "checkpoints"
CACHES = STATE / "caches"  # of libraries
HASHES = STATE / "hashes.sqlite"
PROVENANCE = STATE / "provenance"
TRACEBACKS = STATE / "tracebacks"  # of errors that are not the user's, one file a stage
RECORD = Path("workflow/record.json")
PRESETS = Path("workflow/presets")
PHANTOMS = Path("workflow/phantoms")
SCHEMA = Path("workflow/schemas/params.schema.json")
LEADERBOARD_JSON = Path("results/leaderboard.json")
SCREENINGS = Path("results/screenings/screenings.json")
LEADERBOARD_MD = Path("results/leaderboard.md")
REPORT = Path("results/report.html")
CARDS = Path("results/cards")
RECIPES = Path("workflow/sources")

MANIFEST = "manifest.csv"
PREDICTED = "predicted"
GUARANTEES = "guarantees.json"  # in the clinical folder of a classifier, if it guarantees something


@dataclass(frozen=True)
class Raw:
    """What a publisher distributes, unpacked and never changed."""

    dataset: str

    @property
    def folder(self) -> Path:
        """Folder that holds the outputs."""
        return Path("data/raw") / self.dataset

    @property
    def files(self) -> Path:
        """The publisher's files in their own layout."""
        return self.folder / "files"

    @property
    def manifest(self) -> Path:
        """List of the files with their sizes and hashes."""
        return self.folder / MANIFEST

    @property
    def left_out(self) -> Path:
        """Numbers of files that the source has and `files` has not, by reason; only where there are some."""
        return self.folder / "left_out.json"


@dataclass(frozen=True)
class Organized:
    """An ImageFolder per split, ground-truth masks, manifest and summary."""

    dataset: str

    @property
    def folder(self) -> Path:
        """Folder that holds the outputs; the manifest's paths are relative to it."""
        return Path("data/organized") / self.dataset

    @property
    def masks(self) -> Path:
        """Ground-truth palette masks, `<id>.png`, where the publisher gives them."""
        return self.folder / "masks"

    @property
    def manifest(self) -> Path:
        """The table that every later stage reads."""
        return self.folder / MANIFEST

    @property
    def summary(self) -> Path:
        """Counts, classes, groups, duplicates and refused images."""
        return self.folder / "summary.json"


@dataclass(frozen=True)
class Masks:
    """Predicted palette masks of every image of a dataset."""

    dataset: str

    @property
    def folder(self) -> Path:
        """Folder that holds the outputs; the manifest's mask paths are relative to it."""
        return Path("data/masks") / self.dataset

    @property
    def predicted(self) -> Path:
        """The masks, `<id>.png`."""
        return self.folder / PREDICTED

    @property
    def manifest(self) -> Path:
        """The organized manifest with the predicted masks in place of the true ones."""
        return self.folder / MANIFEST

    @property
    def segmenter(self) -> Path:
        """A copy of the model that masks images of no fold, for the folders of classifiers."""
        return self.folder / "segmenter"


@dataclass(frozen=True)
class Tensors:
    """One uint8 array a split, N x H x W x 5, and the manifest in the same order."""

    dataset: str

    @property
    def folder(self) -> Path:
        """Folder that holds the outputs."""
        return Path("data/tensors") / self.dataset

    def array(self, split: str) -> Path:
        """The array of one split."""
        return self.folder / f"{split}.npy"

    @property
    def manifest(self) -> Path:
        """Index: the rows of a split, in id order, are the rows of its array."""
        return self.folder / MANIFEST

    @property
    def summary(self) -> Path:
        """How the images became squares."""
        return self.folder / "summary.json"


@dataclass(frozen=True)
class Audit:
    """What an audit of a dataset found."""

    dataset: str

    @property
    def folder(self) -> Path:
        """Folder that holds the outputs."""
        return Path("results/audits") / self.dataset

    @property
    def findings(self) -> Path:
        """Every check with its verdict."""
        return self.folder / "audit.json"

    @property
    def figures(self) -> Path:
        """Folder of the pictures that the findings name."""
        return self.folder / "figures"


@dataclass(frozen=True)
class Trained:
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
    def training(self) -> Path:
        """Folder of the loss and measures of every epoch, as tables and a figure."""
        return self.results / "training"

    @property
    def metrics(self) -> Path:
        """The few flat numbers that `dvc metrics show` prints."""
        return self.results / "metrics.json"

    @property
    def details(self) -> Path:
        """What was tested, how, and every number with its interval."""
        return self.results / "details.json"

    @property
    def predictions(self) -> Path:
        """One row a test image: classes of a classifier, overlaps of a segmenter."""
        return self.results / "predictions.csv"

    @property
    def plots(self) -> Path:
        """Folder of the plot tables of the test."""
        return self.results / "plots"

    @property
    def figures(self) -> Path:
        """Folder of the figures of the test."""
        return self.results / "figures"

    @property
    def clinical(self) -> Path:
        """Folder of what a clinic asks of a classifier: patients, subgroups, guarantees, unfamiliar images."""
        return self.results / "clinical"


@dataclass(frozen=True)
class Explained:
    """What a classifier looks at."""

    classifier: str

    @property
    def folder(self) -> Path:
        """Folder that holds the outputs."""
        return Path("results/explanations") / self.classifier

    @property
    def summary(self) -> Path:
        """The images that are shown, and every measure."""
        return self.folder / "explanations.json"

    @property
    def panels(self) -> Path:
        """Folder of the pictures, `<id>.png`."""
        return self.folder / "panels"

    @property
    def plots(self) -> Path:
        """Folder of the plot tables."""
        return self.folder / "plots"

    @property
    def figures(self) -> Path:
        """Folder of the figures that are drawn from the tables."""
        return self.folder / "figures"


@dataclass(frozen=True)
class Screened:
    """What was found in whole fields."""

    screening: str

    @property
    def folder(self) -> Path:
        """Folder that holds the outputs."""
        return SCREENINGS.parent / self.screening

    @property
    def metrics(self) -> Path:
        """The few flat numbers that `dvc metrics show` prints."""
        return self.folder / "metrics.json"

    @property
    def details(self) -> Path:
        """How well cells are found, counted and named, with every interval."""
        return self.folder / "details.json"

    @property
    def detections(self) -> Path:
        """One row a found cell."""
        return self.folder / "detections.csv"

    @property
    def fields(self) -> Path:
        """One row a field."""
        return self.folder / "fields.csv"

    @property
    def plots(self) -> Path:
        """Folder of the plot tables and figures."""
        return self.folder / "plots"

    @property
    def figures(self) -> Path:
        """Folder of the worst, the median and the best field, drawn, `<field>.png`."""
        return self.folder / "figures"


def segmenter(name: str) -> Trained:
    """Paths of a segmenter."""
    return Trained("segmenters", name)


def classifier(name: str) -> Trained:
    """Paths of a classifier."""
    return Trained("classifiers", name)


def validation(classifier_name: str) -> Path:
    """Predictions of the validation images, one row an image; empty for a cross-validation."""
    return classifier(classifier_name).training / "validation.csv"
