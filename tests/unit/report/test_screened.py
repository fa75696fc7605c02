from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from cytopipe.core.params import load_params
from cytopipe.metrics.registry import of_task
from cytopipe.report.build import Report, build_report
from cytopipe.report.curves import screening_curves
from cytopipe.report.read import Results
from cytopipe.report.screened import screening_view


def section(html: str) -> str:
    return html.partition('<section id="screening"')[2].partition("</section>")[0]


def test_the_worst_the_median_and_the_best_field_are_shown(results: Results) -> None:
    fields = screening_view(results.screenings["fields"]).fields
    assert [(field.id, field.rank) for field in fields] == [("worst", "worst"), ("median", "median"), ("best", "best")]
    assert [field.f1 for field in fields] == pytest.approx([0, 2 / 3, 1], abs=1e-5)
    assert all(field.picture.width == 720 for field in fields)


def test_both_curves_are_drawn(results: Results) -> None:
    found, counts = screening_curves(results.screenings["fields"])
    assert [key.label for key in found.keys] == ["boxes", "contours"]
    assert counts.svg.count("<circle") == 3  # none of one, one of two, two of two


def test_the_numbers_are_those_of_the_stage(report: Report) -> None:
    text = " ".join(re.sub(r"<[^>]+>", " ", section(report.html)).split())
    assert all(metric.definition in text for metric in of_task("screening"))
    for metric in of_task("screening"):
        text = text.replace(f" {metric.definition} ", " ")
    assert "5 annotated cells in 3 fields of smear, detected by segmenters/unet, classified by first" in text
    assert "F1 of detection, boxes 0.750" in text  # 3 of 3 found, of 5
    assert "2 of 5 found cells are at the edge" in text
    assert "Mean absolute error of the count per field 0.67" in text
    assert "Mean error of the count per field −0.67" in text
    assert "odd &amp; old 2 0.50" in text
    assert "Class accuracy of matched cells 0.667" in text


def test_a_project_without_screenings_has_no_such_section(
    finished_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(finished_project, tmp_path / "copy"))
    shutil.rmtree(folder / "results/screenings")
    values = yaml.safe_load((folder / "params.yaml").read_text())
    (folder / "params.yaml").write_text(yaml.safe_dump({**values, "screenings": {}}, sort_keys=False))
    monkeypatch.chdir(folder)
    html = build_report(load_params(folder / "params.yaml")).html
    assert not section(html) and 'href="#screening"' not in html
