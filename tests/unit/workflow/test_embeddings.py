"""The section `embeddings`, which a params.yaml need not have, in both engines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from workflow.dag import Dag, Rule

Make = Callable[[Path | dict[str, Any]], Path]
ENCODER = {"dataset": "tiny", "architecture": "timm/test_resnet", "pretrained": "models/classifiers/resnet-rgb"}


def rules_of(folder: Path) -> dict[str, Rule]:
    return {rule.name: rule for rule in Dag(str(folder)).rules}


def test_without_the_section_there_is_no_such_rule(project: Make, tiny: dict[str, Any]) -> None:
    assert "embeddings" not in tiny
    assert not [name for name in rules_of(project(tiny)) if name.startswith("embed")]


def test_each_entry_is_a_rule_that_runs_before_the_report(project: Make, tiny: dict[str, Any]) -> None:
    rules = rules_of(project({**tiny, "embeddings": {"tiny-resnet": ENCODER, "tiny-other": ENCODER}}))
    embed = rules["embed@tiny-resnet"]
    assert {"data/tensors/tiny", "models/classifiers/resnet-rgb"} <= set(embed.inputs)
    assert embed.params["params.yaml:embeddings.tiny-resnet"] == ENCODER
    results = {f"results/embeddings/{name}/probes.json" for name in ("tiny-resnet", "tiny-other")}
    assert results | {"results/embeddings/README.md"} <= set(rules["report"].inputs)
