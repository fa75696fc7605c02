"""The found cells in the report: density, the most telling ones, and a table whose size is bounded."""

from __future__ import annotations

import base64
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cytopipe.core.params import load_params
from cytopipe.report import found_cells
from cytopipe.report.build import Report, build_report
from cytopipe.report.found_cells import NOWHERE, found_data, found_view
from cytopipe.report.read import Results, ScreeningResults
from cytopipe.report.screened import screening_view
from cytopipe.results.screening import TELLING, FoundCell, FoundCells


@pytest.fixture
def screening(results: Results) -> ScreeningResults:
    return results.screenings["fields"]


def column(data: dict[str, str], name: str) -> list[int]:
    kind = "<u4" if name in ("left", "top") else "<u2"
    return [int(value) for value in np.frombuffer(base64.b64decode(data[name]), kind)]


def test_the_most_abnormal_cells_come_first_and_are_cut_out(screening: ScreeningResults) -> None:
    view = found_view(screening)
    assert view.by_abnormality and [cell.abnormal for cell, _ in view.telling][:2] == [0.6, 0.6]
    assert all(picture.width == 32 for _, picture in view.telling)  # 20 pixels and 6 around
    assert len(view.telling) == view.total == 5


def test_where_no_class_is_abnormal_the_least_certain_come_first(screening: ScreeningResults) -> None:
    rows = [row.model_copy(update={"abnormal": None}) for row in screening.found.rows]
    view = found_view(replace(screening, found=FoundCells.of(rows)))
    assert not view.by_abnormality
    known = [cell.confidence for cell in view.first if cell.confidence is not None]
    assert known == sorted(known)


def test_density_counts_each_class_by_field(screening: ScreeningResults) -> None:
    rows = {row.label: row for row in found_view(screening).density}
    normal = rows["normal"]
    assert (normal.cells, normal.most, normal.most_in) == (3, 2, "best")
    assert normal.per_field == pytest.approx(1.0) and normal.share == pytest.approx(0.6)
    assert rows["odd & old"].cells == 0 and rows["odd & old"].most_in == ""


def test_every_field_has_a_thumbnail_with_its_number_of_cells(screening: ScreeningResults) -> None:
    fields = {name: cells for name, cells, _ in found_view(screening).fields}
    assert fields == {"worst": 0, "median": 2, "best": 3}


def test_the_columns_of_the_page_say_what_the_table_says(screening: ScreeningResults) -> None:
    data = found_data([screening_view(screening)])["fields"]
    cells = screening.found.telling
    assert data["cells"] == len(cells)
    assert column(data["columns"], "left") == [cell.left for cell in cells]
    assert [data["fields"][place] for place in column(data["columns"], "field")] == [cell.field for cell in cells]
    known = [NOWHERE if cell.abnormal is None else round(10_000 * cell.abnormal) for cell in cells]
    assert column(data["columns"], "abnormal") == known


def test_the_page_holds_the_most_telling_cells_of_too_many(
    screening: ScreeningResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(found_cells, "MOST", 2)
    view = screening_view(screening)
    assert (view.found.shown, view.found.total) == (2, 5)
    assert found_data([view])["fields"]["cells"] == 2


def test_a_hundred_thousand_cells_are_three_megabytes(screening: ScreeningResults) -> None:
    one = screening.found.rows[0]
    values = one.model_dump()
    many = [FoundCell.model_construct(**{**values, "left": place, "right": place + 20}) for place in range(100_000)]
    many_found = FoundCells.model_construct(rows=tuple(many))
    data = found_data([screening_view(replace(screening, found=many_found))])["fields"]
    assert sum(map(len, data["columns"].values())) < 3.1e6


def test_results_of_an_earlier_version_have_no_pictures_and_a_table(
    finished_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: Report
) -> None:
    folder = Path(shutil.copytree(finished_project, tmp_path / "copy"))
    files = folder / "results/screenings/fields"
    shutil.rmtree(files / "figures" / TELLING)
    lines = (files / "detections.csv").read_text().splitlines()
    (files / "detections.csv").write_text("".join(f"{line.rsplit(',', 2)[0]}\n" for line in lines))
    monkeypatch.chdir(folder)
    html = build_report(load_params(Path("params.yaml"))).html
    assert "The cells that matter most" not in html and 'data-cells="fields"' in html
    assert "The cells that matter most" in report.html
