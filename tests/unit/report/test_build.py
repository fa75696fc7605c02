from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cytopipe.core.params import load_params
from cytopipe.errors import CytopipeError
from cytopipe.report.build import Report, build_report

SCRIPT = "<script>alert(1)</script>"
VOID = {"meta", "link", "img", "br", "input", "hr"}


class Page(HTMLParser):
    """Collects every element with its attributes; fails if elements are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes another element"

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


@pytest.fixture(scope="module")
def page(report: Report) -> Page:
    return Page(report.html)


def rebuilt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.chdir(folder)
    return build_report(load_params(folder / "params.yaml"))


@pytest.fixture
def copy(finished_project: Path, tmp_path: Path) -> Path:
    """A copy of the finished project that a test may change."""
    return Path(shutil.copytree(finished_project, tmp_path / "copy"))


def test_ids_are_unique_and_every_link_inside_the_page_leads_somewhere(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [link["href"] or "" for link in page.all("a")]
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert len(links) > 30


def test_links_to_cards_lead_to_cards(report: Report, page: Page) -> None:
    links = {link["href"] or "" for link in page.all("a")}
    assert {link.removeprefix("cards/") for link in links if not link.startswith("#")} == set(report.cards)


def test_labels_refer_to_existing_elements(page: Page) -> None:
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    for _, attributes in page.elements:
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids


def test_nothing_is_fetched(report: Report, page: Page) -> None:
    for _, attributes in page.elements:
        for name in ("src", "srcset", "poster", "data"):
            assert (attributes.get(name) or "data:").startswith("data:"), attributes
    assert all((image["href"] or "").startswith("data:") for image in page.all("image", "link"))
    assert not re.search(r"url\((?!data:)|@import|fetch\(|XMLHttpRequest", report.html)


def test_every_image_has_a_text_and_every_table_its_scopes(page: Page) -> None:
    assert len(page.all("img")) > 40
    assert all(image.get("alt") for image in page.all("img"))
    assert all(header.get("scope") in ("col", "row") for header in page.all("th"))
    assert all(svg.get("aria-hidden") or svg.get("aria-label") for svg in page.all("svg"))


def test_landmarks_and_skip_links(page: Page) -> None:
    tags = [tag for tag, _ in page.elements]
    assert [tags.count(tag) for tag in ("main", "nav", "header", "h1", "dialog")][3:] == [1, 1]
    assert tags.count("main") == 1 and tags.count("nav") == 1
    assert [link["href"] for link in page.all("a")][:2] == ["#main", "#filter"]


def test_hostile_names_are_shown_as_text(report: Report, page: Page) -> None:
    assert SCRIPT not in report.html and "<img src=x" not in report.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in report.html
    assert len(page.all("script")) == 2
    inline = re.search(r'id="page-data">(.*?)</script>', report.html, re.S)
    assert inline and SCRIPT in json.loads(inline[1])["datasets"]["smear"]["classes"]
    assert "\\u003cscript" in inline[1]


def test_the_data_of_the_script(report: Report) -> None:
    inline = re.search(r'id="page-data">(.*?)</script>', report.html, re.S)
    assert inline
    data = json.loads(inline[1])
    smear, first = data["datasets"]["smear"], data["classifiers"]["first"]
    ids = [image[0] for image in smear["images"]]
    assert ids == sorted(set(ids))
    # The first test image of each class passes for the class before.
    assert {key: count for key, (count, _) in first["cells"].items() if key[0] != key[2]} == {
        "0:2": 1,
        "1:0": 1,
        "2:1": 1,
    }
    for key, (_, shown) in first["cells"].items():
        for index in shown:
            assert smear["images"][index][2] == int(key[0])
            assert first["says"][str(index)][0] == int(key[2])
            assert first["says"][str(index)][1:][int(key[2])] == 800


def test_each_image_is_embedded_once(report: Report) -> None:
    inline = re.search(r'id="page-data">(.*?)</script>', report.html, re.S)
    assert inline
    pictures = re.findall(r"data:image/jpeg;base64,[^\"]+", inline[1])
    assert len(pictures) == len(set(pictures)) > 10


def test_the_same_results_give_the_same_bytes(
    report: Report, finished_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = rebuilt(finished_project, monkeypatch)
    assert again.html == report.html and again.cards == report.cards


def test_the_report_contains_no_absolute_path_or_host(report: Report, finished_project: Path) -> None:
    everything = report.html + "".join(report.cards.values())
    assert str(finished_project) not in everything
    assert "/somewhere" not in everything and "blood.zip" in everything


def test_parameters_without_effect_are_left_out(report: Report, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (copy / "params.yaml").read_text()
    changed = text.replace("num_workers: auto", "num_workers: 7").replace("experiment: cytopipe", "experiment: other")
    assert changed != text
    (copy / "params.yaml").write_text(changed)
    assert rebuilt(copy, monkeypatch).html == report.html


def test_a_failed_audit_is_stated_in_words(report: Report) -> None:
    assert "The audit failed:" in report.html
    assert '<span class="badge fail"><span aria-hidden="true">✕</span> failed</span>' in report.html
    assert report.html.index("Background alone tells the class") < report.html.index("No image stands twice")


def test_files_left_out_and_images_padded_are_counted(report: Report) -> None:
    text = " ".join(report.html.split())
    assert "<dt>Files left out</dt><dd>2</dd>" in text
    assert "2: &lt;i&gt;no&lt;/i&gt; image (<code>a/notes.doc</code>)" in text
    assert "<dt>Padded / cropped to a square</dt><dd>3 / 0</dd>" in text


def test_an_undefined_number_is_a_dash_with_a_reason(report: Report) -> None:
    assert "This dataset was not audited" in report.html
    assert "The test images of blood have no true masks." in report.html
    assert "No image of this classifier was explained" in report.html
    assert ">None<" not in report.html and "None to" not in report.html and ">nan<" not in report.html


def test_the_report_works_without_audits_explanations_and_curves(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(copy / "results/audits")
    shutil.rmtree(copy / "results/explanations")
    for plots in (copy / "results/classifiers").glob("*/plots"):
        shutil.rmtree(plots)
    html = rebuilt(copy, monkeypatch).html
    assert "The audit failed:" not in html
    assert "Curves on test images" not in html
    Page(html)


def test_results_of_an_older_format_are_named_with_advice(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = copy / "results/classifiers/first/details.json"
    details = json.loads(file.read_text())
    del details["calibration"]
    file.write_text(json.dumps(details))
    with pytest.raises(CytopipeError, match=r"first/details\.json: not a valid result: calibration: .*\n.*dvc repro"):
        rebuilt(copy, monkeypatch)


def test_a_missing_result_is_named(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy / "results/classifiers/first/details.json").unlink()
    with pytest.raises(CytopipeError, match=r"results/classifiers/first/details\.json: this result is missing"):
        rebuilt(copy, monkeypatch)


def test_a_prediction_of_a_missing_image_is_named(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = copy / "results/classifiers/first/predictions.csv"
    file.write_text(file.read_text().replace("smear_0_3", "elsewhere"))
    with pytest.raises(CytopipeError, match="there is no image 'elsewhere'"):
        rebuilt(copy, monkeypatch)
