from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cytopipe import paths
from cytopipe.core.params import load_params
from cytopipe.report.build import build_report
from cytopipe.report.suspects import SHOWN
from cytopipe.results.dataset import Corrected, CorrectedImage, DatasetSummary
from cytopipe.results.numbers import Estimate
from cytopipe.results.suspects import Suspect, Suspects, SuspectsSummary


@pytest.fixture
def own(finished_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished project, which a test may change, as the working folder."""
    copy = Path(shutil.copytree(finished_project, tmp_path / "project"))
    monkeypatch.chdir(copy)
    return copy


def suspects(by: str, count: int) -> Suspects:
    rows = tuple(
        Suspect(
            id=f"smear_{number % 3}_{number % 3}",
            label="normal",
            suggested="odd & old",
            self_confidence=0.01,
            confidence=0.9,
            group="g0",
            source="x.png",
            by=by,
        )
        for number in range(count)
    )
    summary = SuspectsSummary(
        by=by,
        images=60,
        groups=12,
        beside_test=3,
        unjudged={"odd & old": 2},
        reviewed=1,
        accuracy=Estimate(value=0.8, low=0.75, high=0.85),
        chance=0.5,
        suspects=count,
        withheld=None,
    )
    return Suspects(rows=rows, summary=summary)


def html(folder: Path) -> str:
    return build_report(load_params(folder / "params.yaml")).html


def test_suspects_are_shown_with_their_pictures(own: Path) -> None:
    suspects("appearance probe", SHOWN + 2).write(paths.Audit("smear").folder)
    page = html(own)
    assert f"{SHOWN + 2} labels to look at again" in page
    assert page.count("or odd &amp; old (90 %)?") == SHOWN
    assert "2 more in <code>results/audits/smear/suspects.csv</code>" in page
    assert "never named (3 here)" in page


def test_those_of_a_classifier_with_folds_stand_beside_them(own: Path) -> None:
    clinical = paths.classifier("folded").clinical
    clinical.mkdir(parents=True)
    Suspects.none("folded, 2 folds", "there are <too> few groups").write(clinical)
    page = html(own)
    assert "Labels to look at again: withheld" in page
    assert "No image is named: there are &lt;too&gt; few groups." in page


def test_results_without_the_table_have_no_section(own: Path) -> None:
    assert "to look at again" not in html(own)


def test_corrections_are_counted_in_page_and_card(own: Path) -> None:
    organized = paths.Organized("smear")
    summary = DatasetSummary.read(organized.summary)
    image = CorrectedImage(id="smear_0_0", was="normal", now="odd & old", reason="seen twice")
    made = Corrected(
        file="workflow/corrections/mine.csv",
        sha256="0123456789abcdef",
        relabelled=1,
        left_out=0,
        confirmed=0,
        changes={"normal -> odd & old": 1},
        images=(image,),
    )
    summary.model_copy(update={"corrections": made}).write(organized.summary)
    assert DatasetSummary.read(organized.summary).corrections == made
    report = build_report(load_params(own / "params.yaml"))
    assert "Corrected labels / left out" in report.html
    card = report.cards["datasets/smear.md"]
    assert "Corrected by `workflow/corrections/mine.csv` (SHA-256 0123456789ab): 1 labels changed" in card
    assert "Relabelled, normal" in card
