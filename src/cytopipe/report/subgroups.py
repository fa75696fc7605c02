"""Subgroups in the report and on the card: what each has, and in words what the tests resolve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from cytopipe import paths
from cytopipe.core.io import tables
from cytopipe.metrics.registry import Metric, find, of_task
from cytopipe.report.render import interval, limits, markdown_name, number
from cytopipe.results.subgroups import Finding, Subgroup, Subgroups

METRICS = of_task("classification")
LEADING = METRICS[0]


@dataclass(frozen=True)
class SubgroupsView:
    """The subgroups of a classifier.

    Attributes:
        content: what the evaluation found.
        by_attribute: the name of each attribute and its subgroups.
        findings: sentences on what is different, or that nothing is.
        worst: a sentence on the subgroup that is the worst.
        low: start of the axis on which the leading metric is drawn.
    """

    content: Subgroups
    by_attribute: Sequence[tuple[str, Sequence[Subgroup]]]
    findings: Sequence[str]
    worst: str
    low: float

    def differs(self, part: Subgroup, metric: Metric) -> bool:
        """Whether a metric of a subgroup differs from that of the rest after the correction."""
        return Finding(attribute=part.attribute, value=part.value, metric=metric.key) in self.content.different


def subgroups_of(name: str) -> SubgroupsView | None:
    """The subgroups of a classifier; None for images without attributes."""
    path = paths.classifier(name).clinical / paths.SUBGROUPS
    if not path.is_file():
        return None
    content = Subgroups.read(path)
    parts = [(key, list(one)) for key, one in groupby(content.subgroups, key=lambda part: part.attribute)]
    known = [one.metrics[LEADING.key] for one in content.subgroups]
    lowest = [one.value if one.low is None else one.low for one in known if one.value is not None]
    low = max(0.0, int(min(lowest, default=0.0) * 10) / 10)
    return SubgroupsView(content, parts, _findings(content), _worst(content), low)


def _findings(content: Subgroups) -> list[str]:
    if not content.tests:
        return ["Nothing was tested: no subgroup has enough groups, or all images are of one."]
    if not content.different:
        return [
            f"No subgroup differs from the rest after Holm's correction for {content.tests} tests. That does not show "
            "that all are alike: see how wide the intervals are."
        ]
    found = []
    for one in content.different:
        metric, part = find(one.metric), content.find(one)
        difference = part.differences[one.metric]
        if metric is None or difference.value is None or difference.p_holm is None:
            continue
        side = "lower" if difference.value < 0 else "higher"
        reach = f"{number(difference.low, metric.digits)} to {number(difference.high, metric.digits)}"
        p = "p < .001" if difference.p_holm < 0.001 else f"p = {number(difference.p_holm)}"
        found.append(
            f"{metric.title[:1].upper()}{metric.title[1:]} of {one.attribute} {one.value} is "
            f"{number(part.metrics[one.metric].value, metric.digits)}, "
            f"{number(abs(difference.value), metric.digits)} {side} than elsewhere "
            f"(difference {reach}; {p} after Holm's correction for {content.tests} tests)."
        )
    return found


def _worst(content: Subgroups) -> str:
    if content.worst is None:
        return "No subgroup has enough groups for an interval: none is called the worst."
    part = content.find(content.worst)
    one = part.metrics[LEADING.key]
    resolved = content.worst in content.different
    said = "and the tests say that it differs" if resolved else "which the tests cannot tell from chance"
    return (
        f"The lowest {LEADING.title} is that of {part.attribute} {part.value}: {number(one.value)} ({limits(one)}; "
        f"{part.images} images of {part.groups} groups), {said}."
    )


def subgroups_card(name: str) -> str:
    """The subgroups of a classifier as Markdown for its card; empty for images without attributes."""
    view = subgroups_of(name)
    if view is None:
        return ""
    rows = [
        (
            markdown_name(f"{part.attribute}: {part.value}"),
            number(part.metrics[LEADING.key].value),
            interval(part.metrics[LEADING.key]),
            str(part.images),
            str(part.groups),
        )
        for part in view.content.subgroups
    ]
    header = ("subgroup", LEADING.title, "95 % interval", "test images", "groups")
    lines = [markdown_name(line) for line in (view.worst, *view.findings)]
    table = tables.markdown(header, [[cell.replace("\\|", "|") for cell in row] for row in rows])
    return "\n\n".join([" ".join(lines), table])
