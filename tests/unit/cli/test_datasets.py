from __future__ import annotations

import json

from cytopipe.adapters.registry import ADAPTERS
from fixture_types import Cytopipe


def test_every_adapter_is_there_with_all_there_is_to_know(cytopipe: Cytopipe) -> None:
    rows = json.loads(cytopipe("datasets", "--json").stdout)
    assert [row["name"] for row in rows] == sorted(ADAPTERS)
    for row in rows:
        assert all(row[key] for key in ("title", "group_key", "layout", "home"))
        assert all(option["description"] for option in row["options"])


def test_classes_and_options_are_those_of_the_adapter(cytopipe: Cytopipe) -> None:
    rows = {row["name"]: row for row in json.loads(cytopipe("datasets", "--json").stdout)}
    assert rows["sipakmed"]["classes"] == list(ADAPTERS["sipakmed"].classes)
    options = {option["name"]: option["default"] for option in rows["folder"]["options"]}
    assert options["image"] == "image" and options["csv"] is None and options["unlisted"] is False


def test_the_list_for_people_names_every_option(cytopipe: Cytopipe) -> None:
    text = cytopipe("datasets").stdout
    for adapter in ADAPTERS.values():
        assert f"{adapter.name}: {adapter.title}" in text
        assert all(f"option   {name}: " in text for name in adapter.options.model_fields)
