"""The guidelines: their numbering, and that every item leads to resolvers or says what to write."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from cytopipe.dossier.items import Checklist, Item, checklists
from cytopipe.dossier.resolvers import RESOLVERS

CLAIM, TRIPOD = checklists()


def main_numbers(checklist: Checklist) -> list[str]:
    return list(dict.fromkeys(item.main for item in checklist.items))


def test_claim_has_44_items_and_tripod_27_with_52_parts() -> None:
    assert [item.id for item in CLAIM.items] == [str(number) for number in range(1, 45)]
    assert main_numbers(TRIPOD) == [str(number) for number in range(1, 28)]
    assert len(TRIPOD.items) == 52
    assert (CLAIM.main_items, TRIPOD.main_items) == (44, 27)


def test_papers_are_cited_by_their_doi_and_the_wording_is_said_to_be_our_own() -> None:
    assert (CLAIM.doi, TRIPOD.doi) == ("10.1148/ryai.240300", "10.1136/bmj-2023-078378")
    assert all("paraphrase" in one.wording for one in (CLAIM, TRIPOD))


def test_ids_are_unique_among_all_guidelines() -> None:
    keys = [one.key(item) for one in checklists() for item in one.items]
    assert len(set(keys)) == len(keys) == 96
    assert "tripod-12a" in keys


def test_every_resolver_is_named_by_an_item_and_every_named_one_exists() -> None:
    named = {name for one in checklists() for item in one.items for name in item.sources}
    assert named == set(RESOLVERS)


def test_resolvers_have_a_title() -> None:
    assert all(one.title and not one.title.endswith(".") for one in RESOLVERS.values())


@pytest.mark.parametrize("wrong", [{"whole": True}, {"from": ["sources"]}, {"write": "x", "form": ["sources"]}])
def test_an_item_that_leads_nowhere_or_has_an_unknown_key_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Item.model_validate({"id": "1", "section": "s", "title": "t", **wrong})
