from __future__ import annotations

import re

import pytest

from cytopipe.report.build import Report


def test_every_model_and_dataset_has_its_card(report: Report) -> None:
    assert set(report.cards) == {
        *(f"datasets/{name}.md" for name in ("smear", "blood")),
        *(f"segmenters/{name}.md" for name in ("unet", "otsu")),
        *(f"models/{name}.md" for name in ("first", "second", "folded")),
    }


def test_a_model_card_has_every_section(report: Report) -> None:
    text = report.cards["models/first.md"]
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert headings == [
        *("Intended use", "Data", "Metrics", "Calibration", "Operating points", "Guarantees"),
        *("Limits and warnings", "Parameters", "Weights", "How to use"),
    ]
    assert re.search(r"\| accuracy +\| +0\.667 \| +0\.567 to 0\.767 \|", text)
    assert "- Brier score: squared error of the probabilities, summed over classes; runs from 0 to 2.\n" in text
    assert "- Audit quick, fail: Background alone tells the class" in text
    assert "drawn phantoms" in text
    assert "The test images come from 3 groups only: the intervals are rough." in text
    assert 'Predictor.load(Path("models/classifiers/first"), ' in text


@pytest.mark.parametrize("path", ["models/first.md", "segmenters/unet.md"])
def test_the_imports_of_the_example_code_exist(report: Report, path: str) -> None:
    block = re.search(r"^```python\n(.*?)^```", report.cards[path], re.M | re.S)
    assert block
    exec("\n".join(line for line in block[1].splitlines() if line.startswith(("from ", "import "))), {})


def test_names_cannot_become_html_or_columns(report: Report) -> None:
    for text in report.cards.values():
        assert "<script" not in text.replace(r"\<script", "")
    assert r"\<script\>alert(1)\</script\>" in report.cards["models/first.md"]


def test_a_card_copes_with_undefined_numbers(report: Report) -> None:
    text = report.cards["models/folded.md"]
    assert re.search(r"\| AUC, one-vs-rest +\| +– \| +– \|", text)
    assert "Never predicted: never." in text
    assert "None: the dataset defines no normal classes" in text
    assert "The dataset was not audited." in text
    assert 'Path("models/classifiers/folded")' in text
    assert "These numbers are cross-validated: each image was tested by the network of its fold." in text
    assert not re.search(r"\bNone\b(?!:)|\bnan\b", text)


def test_a_segmenter_card_has_its_means_or_says_why_not(report: Report) -> None:
    assert re.search(
        r"\| Dice of whole cell +\| +0\.600 \| +none: 3 groups count: under 5, no interval is claimed \|",
        report.cards["segmenters/unet.md"],
    )
    assert "no true masks to test on" in report.cards["segmenters/otsu.md"]


def test_a_data_card_has_source_counts_and_audit(report: Report) -> None:
    text = report.cards["datasets/smear.md"]
    assert re.search(r"\| normal +\| +2 \| +1 \| +3 \|", text)
    assert "Level quick, verdict: **failed**." in text
    assert "3 images padded, 0 cropped" in text
    assert "[first](../models/first.md)" in text
    assert "Not audited." in report.cards["datasets/blood.md"]
    assert "not known here" in report.cards["datasets/blood.md"]


def test_tables_have_one_number_of_columns(report: Report) -> None:
    for text in report.cards.values():
        for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table
