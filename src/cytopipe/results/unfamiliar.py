"""clinical/unfamiliar.json of a classifier: how well it tells images that are unlike its training images."""

from __future__ import annotations

from cytopipe.results.contract import Contract, Record
from cytopipe.results.model_spec import Familiarity
from cytopipe.results.numbers import Estimate

UNLIKE, UNLIKE_SCORE = "unlike_training", "unlike_score"  # columns of every table of predictions
UNFAMILIAR = "unfamiliar.json"  # in results/classifiers/NAME/clinical


class AlteredImages(Record):
    """Test images that were altered in one way.

    Attributes:
        auroc: the area under the ROC curve of their scores against those of the same images unaltered.
        flagged: share that is called unlike the training images.
        confident: share that the confidence threshold alone calls certain.
        passed: share that is certain and not called unlike: what a person would not be asked to review.
    """

    auroc: Estimate
    flagged: Estimate
    confident: float
    passed: float


class Unfamiliar(Contract):
    """Images unlike the training images.

    Attributes:
        rules: threshold of each network, and the rate of false alarms that it was chosen for.
        images, groups: numbers of test images and their groups.
        false_alarms: share of the test images that is called unlike.
        holds: whether that rate is compatible with the expected one: its interval is not wholly above the rate that
            is expected if all images of a group are alike; None: it has no interval.
        altered_images: number of test images that were altered, in each way.
        altered: by the kind of alteration.
    """

    rules: tuple[Familiarity, ...]
    images: int
    groups: int
    false_alarms: Estimate
    holds: bool | None
    altered_images: int
    altered: dict[str, AlteredImages]
