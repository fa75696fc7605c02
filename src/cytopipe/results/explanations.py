"""explanations.json: the explained images of a classifier, and measurements of its attributions."""

from __future__ import annotations

from cytopipe.results.contract import Contract, Record


class Share(Record):
    """Mean share of the attribution in a region, with its interval; None if no image was measured."""

    mean: float | None
    low: float | None
    high: float | None


Regions = dict[str, Share]


class ExplainedImage(Record):
    """One explained image; `shares` is the attribution in each region by method, None without masks or attribution."""

    id: str
    label: str
    predicted: str
    correct: bool
    probability: float
    panel: str
    shares: dict[str, dict[str, float]] | None


class Area(Record):
    """Area under a deletion or insertion curve, with its interval."""

    auc: float | None
    low: float | None
    high: float | None


class RandomOrder(Record):
    """Areas under the curves if pixels are deleted or inserted in random order."""

    deletion_auc: float | None
    insertion_auc: float | None


class Randomisation(Record):
    """Correlation with the maps of a network with random weights; a method passes if it is low."""

    correlation: float | None
    passed: bool


class Measured(Record):
    """Number of images measured for the shares, and for the curves and the randomisation test."""

    shares: int
    curves: int


class ExplanationDetails(Contract):
    """The explanations of one classifier; measurements are None if no image was explained.

    Attributes:
        methods: methods that apply to this network.
        skipped: the reason why each other method does not apply.
        steps, baselines: numbers of steps and random baselines of integrated gradients.
        shares: shares of the attribution, by class, method and region.
        area_shares: shares of the pixels, by class and region.
        deletion, insertion, randomisation: by method.
        completeness: mean absolute gap between the sum of attributions and the change of the output, by method.
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
