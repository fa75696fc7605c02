"""A classifier by subgroup: every metric by the values of attributes, and a test of each against the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cytopipe import paths
from cytopipe.core.params.attributes import in_order
from cytopipe.evaluation.classifier.decision_rule import operating_points
from cytopipe.evaluation.classifier.evaluate import Evaluation
from cytopipe.metrics.calibration import calibration
from cytopipe.metrics.classification import headline, with_interval
from cytopipe.metrics.clusters import LeftOut, each_left_out
from cytopipe.metrics.comparison import ALPHA, holm
from cytopipe.metrics.contrast import Contrasted, Measure, contrast
from cytopipe.metrics.plotting.subgroup_figures import Line, forest_figure
from cytopipe.metrics.registry import Metric, of_task
from cytopipe.results.numbers import Estimate, Estimates
from cytopipe.results.subgroups import Difference, Finding, Subgroup, Subgroups

Key = tuple[str, str]  # attribute and value
METRICS = {one.key: one for one in of_task("classification")}
LEADING = next(iter(METRICS.values()))


def write_subgroups(evaluation: Evaluation, folder: Path) -> None:
    """Write subgroups.json and its figure into an existing folder; nothing for images without attributes."""
    found = subgroups(evaluation)
    if found is not None:
        found.write(folder / paths.SUBGROUPS)
        forest_figure(folder / "subgroups.png", _lines(found), found.metrics[LEADING.key].value, LEADING)


def _lines(found: Subgroups) -> list[Line]:
    differs = {(one.attribute, one.value) for one in found.different if one.metric == LEADING.key}
    lines = []
    for part in found.subgroups:
        one = part.metrics[LEADING.key]
        name = f"{part.attribute}: {part.value} ({part.groups})"
        lines.append(Line(name, one.value, one.low, one.high, (part.attribute, part.value) in differs))
    return lines


def subgroups(evaluation: Evaluation) -> Subgroups | None:
    """Evaluate a classifier on the test images of each value of each attribute.

    Returns:
        Every metric with its interval over the subgroup's groups, and its difference to the rest with a test, corrected
        for the number of tests; None for images without attributes. Test data chooses nothing here.
    """
    one, rows = evaluation, evaluation.rows
    names = list(rows[0].attributes) if rows else []
    if not names:
        return None
    truth, calibrated, groups = one.truth, one.calibrated, [row.group for row in rows]

    def measure(chosen: np.ndarray) -> Mapping[str, float | None]:
        found = headline(truth[chosen], one.probabilities[chosen])
        return {**found, **calibration(truth[chosen], calibrated[chosen])}

    members = {
        (name, value): np.array([row.attributes[name] == value for row in rows])
        for name in names
        for value in in_order(row.attributes[name] for row in rows)
    }
    whole, compared = compare(measure, members, groups)
    tested = corrected(compared, {key for key, metric in METRICS.items() if metric.scale})
    parts = []
    for key, inside in members.items():
        chosen = np.flatnonzero(inside)
        kept = [groups[place] for place in chosen.tolist()]
        count = np.bincount(truth[chosen], minlength=len(one.classes)).tolist()
        points = operating_points(truth[chosen], calibrated[chosen], one.classes, one.decisions, one.part[chosen], kept)
        parts.append(
            Subgroup(
                attribute=key[0],
                value=key[1],
                images=len(chosen),
                groups=len(set(kept)),
                classes=dict(zip(one.classes, count, strict=True)),
                metrics=_estimates(compared[key].part),
                operating_points=points,
                differences=tested[key],
            )
        )
    return Subgroups(
        images=len(rows),
        groups=len(set(groups)),
        metrics=_estimates(whole),
        tests=number_of_tests(tested),
        level=ALPHA,
        subgroups=tuple(parts),
        worst=worst(parts, LEADING),
        different=different(parts),
    )


def compare(
    measure: Measure,
    members: Mapping[Key, np.ndarray],
    groups: Sequence[str],
) -> tuple[dict[str, LeftOut], dict[Key, Contrasted]]:
    """The metrics over all images, and those of each subgroup with its differences to the rest.

    Args:
        measure: computes metrics of a selection of images, given as indices.
        members: N booleans for each attribute and value.
        groups: N groups.
    """
    whole = each_left_out(measure, groups)
    return whole, {key: contrast(measure, inside, groups, whole) for key, inside in members.items()}


def corrected(compared: Mapping[Key, Contrasted], tested: set[str]) -> dict[Key, dict[str, Difference]]:
    """The differences of the metrics that are tested, with p-values corrected for the number of tests.

    Of an attribute with two values, either side is the rest of the other: they are one test.
    """
    count = Counter(attribute for attribute, _ in compared)
    same = {}
    for key in compared:
        twins = [other for other in compared if other[0] == key[0]]
        same[key] = twins[0] if count[key[0]] == 2 else key
    family = {
        ("\0".join(same[key]), metric): found.p
        for key, one in compared.items()
        for metric, found in one.differences.items()
        if metric in tested and found.p is not None and same[key] == key
    }
    values = holm(family)
    return {
        key: {
            metric: Difference(
                value=found.estimate,
                low=found.low,
                high=found.high,
                p=found.p,
                p_holm=values.get(("\0".join(same[key]), metric)),
                withheld=found.withheld or None,
            )
            for metric, found in one.differences.items()
            if metric in tested
        }
        for key, one in compared.items()
    }


def number_of_tests(tested: Mapping[Key, Mapping[str, Difference]]) -> int:
    """The number of tests that were corrected for."""
    count = Counter(attribute for attribute, _ in tested)
    seen: Counter[str] = Counter()
    total = 0
    for (attribute, _), found in tested.items():
        seen[attribute] += 1
        if count[attribute] != 2 or seen[attribute] == 1:
            total += sum(one.p_holm is not None for one in found.values())
    return total


def worst(parts: Sequence[Subgroup], metric: Metric) -> Finding | None:
    """The subgroup with the worst value of a metric, among those with an interval; None if none has one."""
    known = [part for part in parts if part.metrics[metric.key].low is not None]
    sign = 1 if metric.direction == "higher" else -1
    lowest = min(known, key=lambda part: sign * (part.metrics[metric.key].value or 0.0), default=None)
    if lowest is None:
        return None
    return Finding(attribute=lowest.attribute, value=lowest.value, metric=metric.key)


def different(parts: Sequence[Subgroup]) -> tuple[Finding, ...]:
    """The subgroups and metrics whose difference to the rest is significant after the correction, the surest first."""
    found = [
        (one.p_holm, one.p, Finding(attribute=part.attribute, value=part.value, metric=metric))
        for part in parts
        for metric, one in part.differences.items()
        if one.p_holm is not None and one.p_holm < ALPHA
    ]
    return tuple(one for *_, one in sorted(found, key=lambda item: item[:2]))


def _estimates(left: Mapping[str, LeftOut]) -> Estimates:
    return {key: Estimate.of(with_interval(one, METRICS[key].scale)) for key, one in left.items()}
