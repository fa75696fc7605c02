from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from cytopipe import paths
from cytopipe.embeddings.cache import cache_of
from fixture_types import Cytopipe
from made_embeddings import leave_embedding

TINY = Path(__file__).resolve().parents[3] / paths.PRESETS / "tiny.yaml"
ENCODER = {"dataset": "tiny", "architecture": "timm/test_resnet", "pretrained": "workflow/weights/none"}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with two embeddings that are not computed."""
    monkeypatch.chdir(tmp_path)
    values = {**yaml.safe_load(TINY.read_text()), "embeddings": {"good": ENCODER, "poor": ENCODER}}
    paths.PARAMS.write_text(yaml.safe_dump(values, sort_keys=False))


def test_the_table_of_what_is_computed_with_its_seconds(cytopipe: Cytopipe) -> None:
    leave_embedding("good", 36, "tiny", knn=0.7)
    cache_of("good").mkdir(parents=True)
    (cache_of("good") / "key.json").write_text('{"scale": 1, "seconds": 12.3}')
    shown = cytopipe("encoders").output
    assert "| good" in shown and "timm/net_good" in shown and "seconds" in shown and "12" in shown
    found = json.loads(cytopipe("encoders", "--dataset", "tiny", "--json").output)
    assert found["seconds"] == {"good": 12.3}
    assert [row["name"] for row in found["tables"]["tiny"]["encoders"]] == ["good"]


def test_without_any_it_says_what_to_do(cytopipe: Cytopipe) -> None:
    result = cytopipe("encoders", "--dataset", "smear")
    assert result.exit_code == 1
    assert "no embedding of 'smear' is computed" in result.output and "dvc repro embed@NAME" in result.output
