"""The pilot of a finished classifier or segmenter: its test images, and the numbers that they give."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from cytopipe import paths
from cytopipe.errors import CytopipeError
from cytopipe.evaluation.planning.influence import Influences, of_areas, of_mean
from cytopipe.evaluation.planning.pilot import Pilot, pilot_of
from cytopipe.models.decision_rule import abnormality, calibrate
from cytopipe.models.members import is_usable, spec_of
from cytopipe.results.model_spec import DecisionRule
from cytopipe.results.predictions import Predictions
from cytopipe.results.segmenter import SegmenterPredictions
from cytopipe.results.tables import Table

DRAWN = ("dice_cell", "dice_nucleus", "dice_cytoplasm")

logger = logging.getLogger(__name__)


def pilots(name: str, root: Path = Path(), wanted: Sequence[str] | None = None) -> dict[str, Pilot]:
    """The numbers of a finished model that a test can be planned for, by name.

    Args:
        name: a classifier or a segmenter of the project, or the path of a predictions.csv.
        root: folder of the project.
        wanted: names of numbers; None: all.

    Raises:
        CytopipeError: there is no such model, it is not finished, or a wanted number has under 5 groups. Of all
            numbers, those with too few groups are left out, with a warning, as long as there is another.
    """
    table, rule = _find(name, root)
    if "predicted" in Table.read(table, ("id", "group")).columns:
        found = Predictions.read(table)
        numbers, groups = dict(_classified(found, rule)), found.groups
    else:
        drawn = SegmenterPredictions.read(table)
        numbers, groups = dict(_drawn(drawn)), drawn.groups
    if not numbers:
        raise CytopipeError("no number is defined", where=table, hint="test images of every class are needed")
    measured, faults = dict[str, Pilot](), dict[str, CytopipeError]()
    for metric, one in numbers.items():
        if wanted is not None and metric not in wanted:
            continue
        try:
            measured[metric] = pilot_of(one, groups, f"{table}: {metric}")
        except CytopipeError as fault:
            faults[metric] = fault
    if faults and (wanted or not measured):
        raise next(iter(faults.values()))
    for metric, few in faults.items():
        logger.warning("%s is left out: %s", metric, few.what)
    return measured


def _find(name: str, root: Path) -> tuple[Path, DecisionRule | None]:
    """The table of predictions of a model, and the decision rule of a classifier."""
    if name.endswith(".csv"):
        if not Path(name).is_file():
            raise CytopipeError("no such file", where=name)
        return Path(name), None
    for kind in (paths.classifier(name), paths.segmenter(name)):
        if (root / kind.predictions).is_file():
            folder = root / kind.model
            return root / kind.predictions, spec_of(folder).decision_rule if is_usable(folder) else None
    known = sorted(
        path.parent.name
        for part in ("classifiers", "segmenters")
        for path in (root / "results" / part).glob("*/predictions.csv")
    )
    hint = f"finished here: {', '.join(known)}" if known else "run the pipeline first: dvc repro"
    raise CytopipeError(f"there is no finished model '{name}'", where="results", hint=hint)


def _classified(found: Predictions, rule: DecisionRule | None) -> Iterator[tuple[str, Influences]]:
    accuracy = of_mean(found.correct)
    if accuracy:
        yield "accuracy", accuracy
    if rule and rule.abnormal and rule.thresholds:
        ill = np.isin(np.asarray(found.classes)[found.truth], rule.abnormal)
        called = abnormality(calibrate(rule, found.probabilities), found.classes, rule.abnormal)
        called = called >= rule.thresholds[0].score
        for metric, right, kind in (("sensitivity", called, ill), ("specificity", ~called, ~ill)):
            share = of_mean(right.astype(float), kind)
            if share:
                yield metric, share
    area = of_areas(found.truth, found.probabilities)
    if area:
        yield "auc", area


def _drawn(found: SegmenterPredictions) -> Iterator[tuple[str, Influences]]:
    for metric in DRAWN:
        values = np.array([row.scores.get(metric) for row in found.rows], float)
        known = ~np.isnan(values)
        mean = of_mean(np.where(known, values, 0.0), known)
        if mean:
            yield metric, mean
