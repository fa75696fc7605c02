"""The page: well-formed, self-contained, the same bytes again, and nothing of a fact is lost in its tables."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cytopipe.dossier.build import FilledChecklist, Topic, fill
from cytopipe.dossier.facts import Fact
from cytopipe.dossier.project import Project
from cytopipe.dossier.resolvers import RESOLVERS
from cytopipe.dossier.view import html, tables

VOID = {"meta", "link", "col", "wbr"}
SCRIPT = "<script>alert(1)</script>"


class Page(HTMLParser):
    """Collects every element with its attributes; fails if elements are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes another element"


@pytest.fixture
def text(filled: list[FilledChecklist]) -> str:
    return html(Project.read(), filled)


def test_the_page_is_well_formed_and_its_links_lead_somewhere(text: str) -> None:
    page = Page(text)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] or "" for tag, attributes in page.elements if tag == "a"]
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert {link for link in links if not link.startswith("#")} == {
        "https://doi.org/10.1148/ryai.240300", "https://doi.org/10.1136/bmj-2023-078378",
    }  # fmt: skip
    assert all(
        attributes["aria-labelledby"] in ids for _, attributes in page.elements if "aria-labelledby" in attributes
    )


def test_the_page_fetches_nothing_runs_nothing_and_escapes_what_it_is_given(text: str) -> None:
    assert not {"script", "img", "iframe"} & {tag for tag, _ in Page(text).elements}
    assert SCRIPT not in text and "&lt;script&gt;" in text
    assert not re.search(r"url\((?!data:)|@import", text)


def test_the_page_is_the_same_again_and_holds_no_path_of_this_machine(text: str, here: Path) -> None:
    assert html(Project.read(), fill(Project.read())) == text
    assert str(here) not in text and "/somewhere/private" not in text


def test_every_item_and_the_status_of_each_is_shown(text: str, filled: list[FilledChecklist]) -> None:
    for one in filled:
        for item in one.items:
            assert f'<article class="item" id="{item.key}"' in text
    assert text.count("<strong>Not reported:</strong>") == sum(one.count("open") for one in filled)


def test_no_fact_is_lost_in_the_tables(filled: list[FilledChecklist]) -> None:
    for one in filled:
        for item in one.items:
            for topic in item.topics:
                shown = [cell for table in tables(topic) for _, cells, _ in table.rows for cell in cells if cell]
                assert sorted(map(repr, shown)) == sorted(map(repr, topic.facts)), topic.resolver.name


def test_the_place_of_a_column_says_what_its_values_share() -> None:
    file = Path("params.yaml")
    facts = [
        Fact(name, label, 1, file, ("datasets", name, label), "1") for name in ("a", "b") for label in ("val", "test")
    ]
    (table,) = tables(Topic(RESOLVERS["splits"], facts))
    assert [column.place for column in table.columns] == [("datasets", "*", "val"), ("datasets", "*", "test")]
    assert table.start == ("datasets", "*")
    assert sum(table.shares) == pytest.approx(1)
    assert [row[0] for row in table.rows] == ["a", "b"]
