from __future__ import annotations

import json

from fixture_types import Cytopipe


def test_counts_are_those_that_the_papers_imply(cytopipe: Cytopipe) -> None:
    rows = {row["name"]: row for row in json.loads(cytopipe("models", "--json").stdout)}
    assert rows["attention_unet"]["parameters"] == 35_515_442
    assert rows["convnext_attention"]["parameters"] == 29_474_917
    assert rows["convnext_token_attention"]["trainable_parameters"] == 29_474_917
    assert rows["otsu"]["parameters"] == 0
    assert (rows["resnet50_frozen"]["parameters"], rows["resnet50_frozen"]["trainable_parameters"]) == (
        23_516_228,
        8_196,
    )
    assert rows["residual_attention"]["parameters"] == 50_427_589
    assert rows["timm/<name>"]["parameters"] is None


def test_every_architecture_has_its_task_paper_and_input(cytopipe: Cytopipe) -> None:
    for row in json.loads(cytopipe("models", "--json").stdout):
        assert row["task"] in ("segmentation", "classification")
        assert row["paper"] and row["description"] and row["input_size"] > 0


def test_the_table_is_aligned(cytopipe: Cytopipe) -> None:
    lines = cytopipe("models").stdout.splitlines()
    end = lines[0].index("parameters") + len("parameters")
    assert [line[:end].split()[-1] for line in lines if line.startswith("attention_unet")] == ["35,515,442"]
    assert all(line[end : end + 2] == "  " for line in lines)
