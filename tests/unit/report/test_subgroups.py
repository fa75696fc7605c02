from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cytopipe import paths
from cytopipe.core.params import load_params
from cytopipe.metrics.registry import of_task
from cytopipe.report.build import build_report
from cytopipe.report.subgroups import subgroups_card, subgroups_of
from cytopipe.results.numbers import Estimate
from cytopipe.results.subgroups import Difference, Finding, Subgroup, Subgroups

ALIKE = Estimate(value=0.9, low=0.85, high=0.94)
FEW = Estimate(value=0.5, withheld="3 groups count: under 5, no interval is claimed")
KEYS = [one.key for one in of_task("classification")]


def part(value: str, one: Estimate, groups: int = 9) -> Subgroup:
    withheld = one.withheld
    difference = Difference(value=-0.2, withheld=withheld) if withheld else Difference(
        value=-0.2, low=-0.3, high=-0.1, p=0.0001, p_holm=0.0021
    )  # fmt: skip
    return Subgroup(
        attribute="<site>", value=value, images=40, groups=groups, classes={"a": 20, "b": 20},
        metrics=dict.fromkeys(KEYS, one), operating_points=(), differences={"accuracy": difference},
    )  # fmt: skip


LOW = Estimate(value=0.7, low=0.6, high=0.78)
FINDING = Finding(attribute="<site>", value="B & co", metric="accuracy")
FOUND = Subgroups(
    images=120, groups=21, metrics=dict.fromkeys(KEYS, ALIKE), tests=18, level=0.05,
    subgroups=(part("A", ALIKE), part("B & co", LOW), part("C", FEW, 3)), worst=FINDING, different=(FINDING,),
)  # fmt: skip


def written(name: str, found: Subgroups) -> None:
    folder = paths.classifier(name).clinical
    folder.mkdir(exist_ok=True)
    found.write(folder / paths.SUBGROUPS)


@pytest.fixture
def name(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A classifier of a copy of the finished project, which is the working folder."""
    shutil.copytree(here, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return next(iter(load_params(Path("params.yaml")).classifiers))


def test_what_differs_is_said_in_words(name: str) -> None:
    assert subgroups_of(name) is None and subgroups_card(name) == ""
    written(name, FOUND)
    view = subgroups_of(name)
    assert view is not None
    assert view.worst == (
        "The lowest accuracy is that of <site> B & co: 0.700 (0.600 to 0.780; 40 images of 9 groups), and the tests "
        "say that it differs."
    )
    assert list(view.findings) == [
        "Accuracy of <site> B & co is 0.700, 0.200 lower than elsewhere (difference −0.300 to −0.100; p = 0.002 after "
        "Holm's correction for 18 tests)."
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"different": ()}, "No subgroup differs from the rest after Holm's correction for 18 tests."),
        ({"different": (), "tests": 0}, "Nothing was tested"),
        ({"worst": None}, "none is called the worst"),
    ],
)
def test_what_is_not_known_is_said_too(name: str, changes: dict[str, object], said: str) -> None:
    written(name, FOUND.model_copy(update=changes))
    view = subgroups_of(name)
    assert view is not None and said in " ".join([view.worst, *view.findings])


def test_the_report_and_the_card_show_them(name: str) -> None:
    written(name, FOUND)
    report = build_report(load_params(Path("params.yaml")))
    assert f'id="classifier-{name}-subgroups"' in report.html
    assert "&lt;site&gt;: B &amp; co" in report.html and "<site>" not in report.html
    assert "<strong>0.700 *</strong>" in report.html
    card = report.cards[f"models/{name}.md"]
    assert "## Subgroups" in card and "3 groups count: under 5" in card and "B & co" in card.replace("\\", "")
