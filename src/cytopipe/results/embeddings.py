"""Results of an embedding: probes.json, and the images that the rows of its features are of."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from cytopipe.core.io.tables import write_table
from cytopipe.core.params import Probe, Regions
from cytopipe.metrics.registry import of_task, ranked
from cytopipe.results.contract import Contract, Record
from cytopipe.results.headline import DECIMALS, Headline
from cytopipe.results.leaderboard import Difference, Pair
from cytopipe.results.numbers import Estimates
from cytopipe.results.tables import Table

FEATURES, IMAGES = "features.npy", "images.csv"  # in the folder of the features
_COLUMNS = ("id", "split", "group", "label")


class EmbeddedImage(Record):
    """The image of one row of the features."""

    id: str
    split: str
    group: str
    label: str


class EmbeddedImages(Record):
    """The images in the order of the rows."""

    rows: tuple[EmbeddedImage, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check the table.

        Raises:
            CytopipeError: if it is missing or not a table of these columns.
        """
        lines = Table.read(path, _COLUMNS).rows
        return cls(rows=tuple(EmbeddedImage(**{name: line[name] for name in _COLUMNS}) for line in lines))

    def write(self, path: Path) -> None:
        """Write the table."""
        write_table(path, [row.model_dump() for row in self.rows], _COLUMNS)


class Candidate(Record):
    """A setting that was tried, and its accuracy on images that it was not fitted to; none of them is a test image."""

    value: float
    accuracy: float


class ProbeResult(Record):
    """One probe on the test images.

    Attributes:
        setting: what was chosen: C (inverse strength of the regularisation) or k (number of neighbours).
        value: its chosen value.
        candidates: every value that was tried.
        selection: accuracy of the chosen one on the images that chose it.
        components: principal components of the features that it sees; None: the features themselves.
        converged: whether the solver converged with the chosen value.
        metrics: on the test images, by key of the registry.
    """

    setting: Literal["C", "k"]
    value: float
    candidates: tuple[Candidate, ...]
    selection: float
    components: int | None
    converged: bool
    metrics: Estimates


class Encoder(Record):
    """What made the features.

    Attributes:
        architecture: name in the registry.
        pretrained: the weights, as in params.yaml; of an absolute path the last part.
        weights_sha256: of names and values of all its tensors.
        input_size: side of the encoder's input, pixels.
        mean, std: normalisation of the colours, on the 0-1 scale.
        tta: orientations that features are averaged over.
        regions: what features are averaged over.
        strides: of the feature maps, with regions: masks.
        seed: of random weights.
        parameters: number of the encoder's parameters, without a head.
    """

    architecture: str
    pretrained: str
    weights_sha256: str
    input_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    tta: int
    regions: Regions
    strides: tuple[int, ...] | None
    seed: int
    parameters: int


class Probes(Contract):
    """probes.json.

    Attributes:
        dataset: name of the dataset.
        encoder: what made the features.
        dimension: number of features.
        scale: power of two by which the features were multiplied to suit float16; mostly 1.
        images, groups: numbers of images and groups by split.
        empty: with regions: masks, number of images without a region, by region.
        chosen_on: the images that chose the settings, in words.
        fitted_to: the images that probes are fitted to, in words.
        best: the probe that these images chose, not the test.
        probes: by name.
    """

    dataset: str
    encoder: Encoder
    dimension: int
    scale: float
    images: dict[str, int]
    groups: dict[str, int]
    empty: dict[str, int]
    chosen_on: str
    fitted_to: str
    best: Probe
    probes: dict[Probe, ProbeResult]

    @property
    def chosen(self) -> ProbeResult:
        """The probe that the images of the choice prefer."""
        return self.probes[self.best]

    @property
    def headline(self) -> Headline:
        """The numbers of metrics.json: those of the chosen probe, and the leading metric of every probe."""
        leading, found = of_task("classification")[0].key, self.chosen.metrics
        numbers = {metric.column: found[metric.key].value for metric in ranked() if metric.column}
        numbers |= {"low": found[leading].low, "high": found[leading].high}
        numbers |= {name: one.metrics[leading].value for name, one in self.probes.items()}
        return Headline({name: round(value, DECIMALS) for name, value in numbers.items() if value is not None})


class RankedEncoder(Record):
    """One row of a table of encoders: its best probe, which validation images or inner folds chose, on the test images.

    `accuracies` are those of all its probes on the test images; `selection` is that of the chosen one on the images
    that chose it.
    """

    name: str
    encoder: Encoder
    dimension: int
    probe: Probe
    selection: float
    metrics: Estimates
    accuracies: dict[Probe, float | None]
    against_best: Difference | None


class EncoderTable(Record):
    """The encoders of one dataset, best test accuracy first, with paired differences; like a ranking of classifiers."""

    test_images: int
    test_groups: int
    encoders: tuple[RankedEncoder, ...]
    pairs: tuple[Pair, ...]
    equals: tuple[tuple[str, ...], ...]
