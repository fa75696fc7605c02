"""The resolver of the templates in dvc.yaml; tests/unit/workflow/test_dvc_yaml.py compares it with DVC's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cytopipe.core.pipeline.description import Description, read_description
from cytopipe.errors import CytopipeError

DVC_YAML = """
stages:
  organize:
    foreach: ${datasets}
    do:
      cmd: python stages/organize.py ${key}
      deps: ['${item.source.path}', stages/organize.py, src/cytopipe/core/io]
      params: ['datasets.${key}.split']
      outs: ['data/organized/${key}']
  fit:
    foreach: ${models}
    do:
      cmd: python stages/fit.py ${key}
      deps: ['data/organized/${item.dataset}/summary.json', src/cytopipe/core/io]
      outs: ['models/${key}']
      metrics: ['results/${key}/metrics.json']
      plots:
        - results/${key}/loss.csv: {template: curves, title: '${key}: loss'}
  report:
    cmd: python stages/report.py
    deps: [data/organized, results]
    outs: [results.html]
"""
VALUES: dict[str, Any] = {
    "datasets": {"smear": {"source": {"path": "smear.zip"}}, "blood": {"source": {"path": "blood.zip"}}},
    "models": {"small": {"dataset": "blood"}},
}


@pytest.fixture
def description(tmp_path: Path) -> Description:
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    return read_description(tmp_path / "dvc.yaml")


def test_a_stage_has_the_section_of_its_entries(description: Description) -> None:
    assert {name: stage.section for name, stage in description.stages.items()} == {
        "organize": "datasets",
        "fit": "models",
        "report": "",
    }
    assert description.stages["organize"].kind == "dataset"
    assert description.sections == {"datasets", "models"}


def test_templates_are_filled_in_from_the_entry(description: Description) -> None:
    assert description.inputs("organize", "blood", VALUES) == {"blood.zip": ["blood.zip"]}
    summary = "data/organized/blood/summary.json"
    assert description.inputs("fit", "small", VALUES) == {summary: [summary]}


def test_metrics_and_plots_are_outputs(description: Description) -> None:
    assert description.outputs(VALUES) == [
        "data/organized/smear",
        "data/organized/blood",
        "models/small",
        "results/small/metrics.json",
        "results/small/loss.csv",
        "results.html",
    ]


def test_a_parent_folder_stands_for_what_stages_write_into_it(description: Description) -> None:
    assert description.inputs("report", "", VALUES) == {
        "data/organized": ["data/organized/smear", "data/organized/blood"],
        "results": ["results/small/metrics.json", "results/small/loss.csv"],
    }


def test_a_name_that_the_parameters_lack_is_named(description: Description) -> None:
    with pytest.raises(CytopipeError, match=r"stage organize asks for 'item\.source\.path'"):
        description.inputs("organize", "blood", {"datasets": {"blood": {"source": {}}}, "models": {}})


def test_a_missing_dvc_yaml_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="cannot be read"):
        read_description(tmp_path / "dvc.yaml")
