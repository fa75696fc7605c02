"""Answers for whole fields or slides: what the classifier says of all of their cells, pooled by its rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from cytopipe.core.io.tables import plain
from cytopipe.models.inference.group_table import group_rows
from cytopipe.models.inference.prediction_table import ATTENTION, Row
from cytopipe.results.patients import PatientRule
from cytopipe.screening.screen import ScreenedCell


class FieldEvidence:
    """Collects what the classifier says of the cells of each field; two or three short strings per cell."""

    def __init__(self) -> None:
        self.fields: dict[str, list[Row]] = {}

    def watch(self, field: str, cells: Iterable[ScreenedCell]) -> Iterator[ScreenedCell]:
        """Pass the cells of a field on; they are named FIELD#1, FIELD#2 and so on, as in its table."""
        rows = self.fields[field] = []
        for number, one in enumerate(cells, start=1):
            if one.prediction is not None:
                attention = dict(zip(ATTENTION, one.prediction.attention or (), strict=False))
                values = {"abnormal": "" if one.prediction.abnormal is None else one.prediction.abnormal, **attention}
                texts = {name: str(plain(value)) for name, value in values.items()}
                rows.append({"image": f"{field}#{number}", "error": "", **texts})
            yield one

    def failed(self, field: str, error: str) -> None:
        """Forget the cells of a field that could not be screened to its end."""
        self.fields[field] = [{"image": field, "error": error, "abnormal": ""}]

    def answers(self, rule: PatientRule, groups: Sequence[str], model: str) -> list[Row]:
        """A row for each group of fields, see `group_rows`; its images are cells.

        Args:
            rule: a rule that is not None.
            groups: the group of each field, in the order in which they were screened.
            model: identity of the classifier.
        """
        rows, group_of = list[Row](), dict[str, str]()
        for group, cells in zip(groups, self.fields.values(), strict=True):
            rows += cells
            group_of |= {row["image"]: group for row in cells}
        found = {row["group"]: row for row in group_rows(rule, rows, group_of, model)}
        empty = {"score": "", "decision": "", "images": "0", "unreadable": "0", "telling": "", "rule": rule.rule or ""}
        without_cells = {group: {"group": group, **empty, "model": model} for group in groups}
        return [row for _, row in sorted((without_cells | found).items())]
