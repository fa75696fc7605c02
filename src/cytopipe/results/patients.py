"""Answers for whole groups: patients.json of a model folder, and patients.json and patients.csv of its evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from cytopipe.core.io.tables import write_table
from cytopipe.core.params.patients import GroupLabel, PoolingRule
from cytopipe.results.contract import Contract, Record
from cytopipe.results.numbers import Estimate, Estimates
from cytopipe.results.tables import Table

RULE, WEIGHTS = "patients.json", "patients.safetensors"  # of a model folder
EVALUATION, ANSWERS, FIGURE = "patients.json", "patients.csv", "patients.png"  # of the folder `clinical`
Decision = Literal["abnormal", "normal", ""]
SEPARATOR = "|"  # between the ids of images in one cell of a table
_COLUMNS = ("group", "true", "score", "log_odds", "predicted", "images", "telling")


class FittedOn(Record):
    """The groups that a rule was fitted on: validation groups, or those of the other folds.

    `left_out` have normal and abnormal images and, with `label: none`, no label.
    """

    source: Literal["validation", "out-of-fold"]
    groups: int
    normal: int
    abnormal: int
    left_out: int


class PatientRule(Contract):
    """How the images of a group become one answer; fitted without any test image.

    Attributes:
        rule: None: there is none, and `why` says why.
        label: how the groups that it was fitted on were labelled.
        quantile, count, shift: parameters of the rules of these names, see `metrics.patients.pooled`.
        slope, intercept: make calibrated log odds of the rule's log odds; None: too few groups to fit them.
        specificity: share of normal groups that the threshold was chosen for.
        threshold: calibrated log odds from which a group is called abnormal; None: withheld, and `withheld` says why.
        criterion: Akaike's criterion of the rules that were compared on these groups, lower is better.
    """

    rule: PoolingRule | None
    label: GroupLabel
    specificity: float
    quantile: float | None = None
    count: int | None = None
    shift: float | None = None
    slope: float | None = None
    intercept: float | None = None
    threshold: float | None = None
    fitted_on: FittedOn | None = None
    criterion: dict[str, float] = Field(default_factory=dict)
    withheld: str = ""
    why: str = ""

    @property
    def words(self) -> str:
        """The rule in a few words."""
        if self.rule is None:
            return "none"
        shift = f", log odds of images shifted by {self.shift:g}" if self.shift else ""
        return {
            "mean": "mean probability of the images",
            "max": "highest probability of an image",
            "quantile": f"{self.quantile or 0:g} quantile of the images' probabilities",
            "noisy_or": "probability that any image is abnormal",
            "count": f"probability that at least {self.count} images are abnormal{shift}",
            "abmil": "gated attention over the images' features",
        }[self.rule]


class GroupConfusion(Record):
    """Numbers of groups by truth and answer."""

    abnormal_called_abnormal: int
    abnormal_called_normal: int
    normal_called_abnormal: int
    normal_called_normal: int


class PatientEvaluation(Contract):
    """The evaluation of the answers for groups on test groups.

    Attributes:
        rules: the rule of each network; one, or one for each fold.
        groups, abnormal, left_out: numbers of test groups with a label, of abnormal ones, and of those without a label.
        auc: area under the ROC curve of the groups' scores.
        sensitivity, specificity: at the threshold of `wanted_specificity` on the groups that the rules were fitted on.
        brier: mean squared error of the groups' scores.
        why: why there is no evaluation; the numbers are then undefined.
    """

    rules: tuple[PatientRule, ...]
    groups: int = 0
    abnormal: int = 0
    left_out: int = 0
    wanted_specificity: float
    auc: Estimate | None = None
    sensitivity: Estimate | None = None
    specificity: Estimate | None = None
    accuracy: Estimate | None = None
    brier: Estimate | None = None
    confusion: GroupConfusion | None = None
    why: str = ""

    @classmethod
    def of(cls, clinical: Path) -> PatientEvaluation | None:
        """The evaluation in the folder `clinical` of a classifier; None for a classifier without rules for groups."""
        file = clinical / EVALUATION
        return cls.read(file) if file.is_file() else None

    @property
    def rule(self) -> PatientRule:
        """The rule of the first network."""
        return self.rules[0]

    @property
    def numbers(self) -> Estimates | None:
        """The numbers that are defined, by name; None if there are none."""
        named = {name: getattr(self, name) for name in ("auc", "sensitivity", "specificity", "accuracy", "brier")}
        return {name: one for name, one in named.items() if one is not None and one.value is not None} or None


class PatientAnswer(Record):
    """One group; `true` is empty for a group without a label, `telling` are ids of its most telling images."""

    group: str
    true: Decision
    score: float
    log_odds: float
    predicted: Decision
    images: int
    telling: tuple[str, ...]


class PatientAnswers(Record):
    """The answers for groups, sorted by group."""

    rows: tuple[PatientAnswer, ...]

    @classmethod
    def read(cls, path: Path) -> PatientAnswers:
        """Read and check the table.

        Raises:
            CytopipeError: if it is missing or not such a table.
        """
        table = Table.read(path, _COLUMNS)
        return cls.model_validate(
            {
                "rows": [
                    {
                        **{name: row[name] for name in ("group", "true", "predicted")},
                        "score": table.number(row, "score"),
                        "log_odds": table.number(row, "log_odds"),
                        "images": table.count(row, "images"),
                        "telling": tuple(row["telling"].split(SEPARATOR)) if row["telling"] else (),
                    }
                    for row in table.rows
                ]
            }
        )

    def write(self, path: Path) -> None:
        """Write the table, numbers with six significant digits."""
        rows = [{**dict(row), "telling": SEPARATOR.join(row.telling)} for row in self.rows]
        write_table(path, rows, _COLUMNS)
