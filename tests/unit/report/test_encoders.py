from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from cytopipe import paths
from cytopipe.core.params import load_params
from cytopipe.report.build import Report, build_report
from made_embeddings import leave_embedding


@pytest.fixture(scope="module")
def described(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished project with two embeddings of a dataset, and one that is not computed."""
    folder = Path(shutil.copytree(finished_project, tmp_path_factory.mktemp("encoders") / "project"))
    values = yaml.safe_load((folder / paths.PARAMS).read_text())
    encoder = {"dataset": "smear", "architecture": "timm/test_resnet", "pretrained": "workflow/weights/none"}
    values["embeddings"] = dict.fromkeys(("good", "poor", "later"), encoder)
    (folder / paths.PARAMS).write_text(yaml.safe_dump(values, sort_keys=False))
    return folder


def test_the_page_shows_the_table_of_encoders(described: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(described)
    for name, right in (("good", 36), ("poor", 20)):
        leave_embedding(name, right, "smear", knn=0.7)
    html = build_report(load_params(paths.PARAMS)).html
    part = html[html.index('<section id="encoders"') : html.index('<section id="explanations"')]
    assert 'href="#encoders"' in html and "timm/net_good" in part and "later" not in part
    assert part.index("net_good") < part.index("net_poor")
    assert "1 of 1 difference is resolved" in part
    assert "embeddings.good" in html and 'class="none" hidden' in part


def test_without_embeddings_the_page_does_not_speak_of_encoders(report: Report) -> None:
    assert 'id="encoders"' not in report.html and "embeddings" not in report.html
