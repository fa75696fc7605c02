"""explanations.json: the images that are shown of a classifier, and every measure of its attributions."""

from __future__ import annotations

from cytopipe.results.contract import Contract, Record


class Share(Record):
    """The mean share of a region with the limits of its interval; None where nothing was measured."""

    mean: float | None
    low: float | None
    high: float | None


Regions = dict[str, Share]


class ExplainedImage(Record):
    """One image with a panel; `shares` is what falls on each region, by method, None where nothing is attributed."""

    id: str
    label: str
    predicted: str
    correct: bool
    probability: float
    panel: str
    shares: dict[str, dict[str, float]] | None


class Area(Record):
    """Area under a deletion or insertion curve, with the limits of its interval."""

    auc: float | None
    low: float | None
    high: float | None


class RandomOrder(Record):
    """The areas when pixels are changed in random order."""

    deletion_auc: float | None
    insertion_auc: float | None


class Randomisation(Record):
    """Correlation of the maps with those of untrained weights; a method passes where it is low."""

    correlation: float | None
    passed: bool


class Measured(Record):
    """Number of images behind the shares, and behind the curves and the randomisation."""

    shares: int
    curves: int


class ExplanationDetails(Contract):
    """The explanations of one classifier; measures are None where no image was explained.

    Attributes:
        methods: that apply to this network; `skipped` says why others do not.
        steps, baselines: effort of integrated gradients.
        shares: by class, method and region.
        area_shares: by class and region, of the pixels.
        deletion, insertion, randomisation: by method.
        completeness: mean absolute gap, by method of integrated gradients.
    """

    classifier: str
    dataset: str
    methods: tuple[str, ...]
    target: str
    steps: int
    baselines: int
    skipped: dict[str, str]
    images: tuple[ExplainedImage, ...]
    measured: Measured
    shares: dict[str, dict[str, Regions]] | None
    area_shares: dict[str, Regions] | None
    deletion: dict[str, Area] | None
    insertion: dict[str, Area] | None
    random: RandomOrder | None
    randomisation: dict[str, Randomisation] | None
    completeness: dict[str, float] | None
