"""Every item resolves to values that lie in the named files, or is not reported and says what to write."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cytopipe.dossier.build import FilledChecklist, FilledItem, fill
from cytopipe.dossier.facts import Fact, look_up
from cytopipe.dossier.project import Project
from cytopipe.errors import CytopipeError


def items_of(filled: list[FilledChecklist]) -> dict[str, FilledItem]:
    return {item.key: item for one in filled for item in one.items}


def facts_of(item: FilledItem) -> list[Fact]:
    return [fact for topic in item.topics for fact in topic.facts]


def texts(item: FilledItem, subject: str) -> dict[str, str]:
    return {fact.label: fact.text for fact in facts_of(item) if fact.subject == subject}


def held(file: Path) -> Any:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".json":
        return json.loads(text)
    if file.suffix == ".yaml":
        return yaml.safe_load(text)
    lines = [line.split("  ")[::-1] if file.name == "SHA256SUMS" else line.split("==") for line in text.splitlines()]
    return {line[0]: line[1].split()[0] for line in lines if len(line) == 2}


def test_every_item_resolves_or_is_not_reported(filled: list[FilledChecklist]) -> None:
    for item in items_of(filled).values():
        if item.status == "open":
            assert not item.topics and item.to_write
        elif item.status == "part":
            assert facts_of(item) and item.to_write
        else:
            assert item.status == "run" and facts_of(item) and not item.to_write


def test_every_value_is_the_one_that_its_file_holds(filled: list[FilledChecklist]) -> None:
    compared = 0
    for item in items_of(filled).values():
        for fact in facts_of(item):
            assert fact.text and not fact.file.is_absolute() and fact.file.exists(), fact
            if fact.value is None or fact.file.suffix == ".csv":
                continue
            found = look_up(held(fact.file), fact.key)
            if fact.default:
                assert found is None, fact
            elif fact.label != "path":  # an absolute path is reduced to its name
                value = json.loads(json.dumps(fact.value))
                if fact.file.name == "params.yaml" and isinstance(value, dict):  # with its defaults
                    value = {key: value[key] for key in found}
                assert found == value, fact
                compared += 1
    assert compared > 400


def test_what_is_counted_in_a_table_is_right(filled: list[FilledChecklist], here: Path) -> None:
    with Path("results/classifiers/first/predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wrong = [row for row in rows if row["label"] != row["predicted"]]
    found = texts(items_of(filled)["claim-39"], "first")
    assert found["wrong"] == f"{len(wrong)} of {len(rows)} images"
    (size,) = [fact for fact in facts_of(items_of(filled)["claim-13"]) if fact.place == "pixel_size_um"][:1]
    assert size.value == 0


def test_numbers_have_their_interval(filled: list[FilledChecklist]) -> None:
    found = texts(items_of(filled)["claim-38"], "first")
    details = json.loads(Path("results/classifiers/first/details.json").read_text())
    accuracy = details["metrics"]["accuracy"]
    assert found["accuracy"].startswith(f"{accuracy['value']:.3f} (")


def test_groups_are_said_in_words_and_no_private_path_is_shown(filled: list[FilledChecklist]) -> None:
    assert (
        texts(items_of(filled)["claim-20"], "smear")["a group is"]
        == "class + number of the field that the cell was cropped from"
    )
    assert texts(items_of(filled)["claim-7"], "blood")["path"] == "blood.zip"


def test_defaults_are_marked_as_such(filled: list[FilledChecklist]) -> None:
    facts = {fact.label: fact for fact in facts_of(items_of(filled)["claim-27"]) if fact.subject == "folded"}
    assert (facts["folds"].text, facts["folds"].default) == ("2", False)
    assert (facts["seeds"].text, facts["seeds"].default) == ("1", True)


def test_a_decision_rule_and_versions_come_from_their_files(filled: list[FilledChecklist]) -> None:
    rule = texts(items_of(filled)["tripod-15"], "first")
    assert rule["temperature"] == "1.5"
    assert rule["thresholds of abnormality, from validation"] == "0.25 for specificity 0.9"
    assert texts(items_of(filled)["claim-23"], "torch")["version"].count(".") == 2


def test_one_classifier_alone(here: Path) -> None:
    found = items_of(fill(Project.read("folded")))
    subjects = {fact.subject for item in found.values() for fact in facts_of(item)}
    assert "blood" in subjects and not subjects & {"smear", "first", "unet"}
    with pytest.raises(CytopipeError, match="no classifier 'x'"):
        Project.read("x")
