from __future__ import annotations

from pathlib import Path

import pytest

from cytopipe.evaluation.comparison.encoders import Encoded, encoder_tables, letters_of, to_markdown
from cytopipe.results.embeddings import EncoderTable
from made_embeddings import leave_embedding


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EncoderTable:
    """Three encoders: right on 16, 36 and 38 of 40 images."""
    monkeypatch.chdir(tmp_path)
    for name, right in (("poor", 16), ("good", 36), ("fine", 38)):
        leave_embedding(name, right, knn=0.7)
    (found,) = encoder_tables([Encoded.read(name) for name in ("poor", "good", "fine")]).values()
    return found


def test_encoders_are_ranked_by_the_probe_that_no_test_image_chose(table: EncoderTable) -> None:
    assert [row.name for row in table.encoders] == ["fine", "good", "poor"]
    assert {row.probe for row in table.encoders} == {"linear"}  # though neighbours are always right on the test
    assert table.encoders[0].accuracies == {"linear": 38 / 40, "knn": 1.0}
    assert [row.metrics["accuracy"].value for row in table.encoders] == [0.95, 0.9, 0.4]


def test_differences_are_paired_and_the_resolved_ones_part_letters(table: EncoderTable) -> None:
    assert len(table.pairs) == 3
    against = [row.against_best.accuracy_difference if row.against_best else 0 for row in table.encoders]
    assert against == pytest.approx([0, -0.05, -0.55])
    assert [row.against_best.resolved for row in table.encoders if row.against_best] == [False, True]
    assert letters_of(table) == {"fine": "a", "good": "a", "poor": "b"}


def test_the_table_in_words(table: EncoderTable) -> None:
    text = to_markdown({"cells": table}, {"fine": 3.4})
    assert "## cells" in text and "40 test images of 10 groups" in text
    line = next(line for line in text.splitlines() if line.startswith("| poor"))
    assert "timm/net_poor" in line and "0.400" in line and "-0.550" in line and line.rstrip(" |").endswith("-")
    assert "seconds" not in to_markdown({"cells": table})


def test_each_dataset_has_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, dataset in (("one", "blood"), ("two", "smear")):
        leave_embedding(name, 30, dataset)
    tables = encoder_tables([Encoded.read("two"), Encoded.read("one")])
    assert list(tables) == ["blood", "smear"]
    assert [len(one.pairs) for one in tables.values()] == [0, 0]
