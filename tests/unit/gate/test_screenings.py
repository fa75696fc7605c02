"""Screenings are gated by the cells that were found in each test field."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from cytopipe.errors import CytopipeError
from cytopipe.gate import Folder, Results, baseline_of, compare
from cytopipe.gate.identity import test_set as identify
from cytopipe.results.numbers import Estimate
from cytopipe.results.screening import FieldScore, FieldScores, MatchSettings, ScreeningDetails

DETAILS = "results/screenings/fields/details.json"
TRUE = 20  # annotated cells of each field


def leave(root: Path, matched: Sequence[int], raw: str = "a", kind: str = "archive", true: int = TRUE) -> Path:
    """Results of a screening that finds these numbers of the cells of each field, and nothing else."""
    folder = (root / DETAILS).parent
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        FieldScore(
            field=f"f{number}",
            group=f"slide {number}",
            true=true,
            found=count,
            at_edge=0,
            matched=count,
            matched_contours=count,
            named=count,
            f1=2 * count / (count + true),
            true_of={"a": true},
            found_of={"a": count},
        )
        for number, count in enumerate(matched)
    ]
    FieldScores(rows=tuple(rows)).write(folder / "fields.csv")
    share = Estimate(value=sum(matched) / (true * len(matched)), low=0.5, high=1.0)
    one = Estimate(value=1.0)
    ScreeningDetails(
        boxes={"recall": share, "precision": one},
        contours={},
        count={},
        naming={},
        per_class={},
        fields=len(matched),
        groups=len(matched),
        cells=true * len(matched),
        found=sum(matched),
        at_edge=0,
        undefined={},
        settings=MatchSettings(match="", edge="", naming="", least_iou=0.5, edge_share=0.1),
    ).write(root / DETAILS)
    (root / "data/raw/smears").mkdir(parents=True, exist_ok=True)
    (root / "data/raw/smears/manifest.csv").write_text(f"path,bytes,sha256\nf0.png,9,{raw * 64}\n")
    source = {"kind": kind, "path": "smears.zip"}
    params = {"datasets": {"smears": {"source": source}}, "screenings": {"fields": {"dataset": "smears"}}}
    (root / "params.yaml").write_text(json.dumps(params))
    return root


def verdicts(before: Path, now: Path) -> dict[str, str]:
    old = Folder(before)
    return {check.metric: check.verdict for check in compare(Folder(now), baseline_of(old), old)}


def test_a_loss_in_every_field_is_worse_and_a_gain_better(tmp_path: Path) -> None:
    before, now = leave(tmp_path / "before", [18] * 6), leave(tmp_path / "now", [17] * 6)
    assert verdicts(before, now) == {"boxes_recall": "worse", "boxes_precision": "ok"}
    assert verdicts(now, before) == {"boxes_recall": "better", "boxes_precision": "ok"}
    assert set(verdicts(before, before).values()) == {"ok"}


def test_a_loss_in_one_field_of_six_is_noise_until_it_exceeds_the_margin(tmp_path: Path) -> None:
    before = leave(tmp_path / "before", [18] * 6)
    assert verdicts(before, leave(tmp_path / "now", [10] + [18] * 5))["boxes_recall"] == "within noise"
    assert verdicts(before, leave(tmp_path / "now", [4] + [18] * 5))["boxes_recall"] == "worse"


def test_found_cells_do_not_identify_the_fields_but_their_files_and_annotations_do(tmp_path: Path) -> None:
    def identity(root: Path) -> str:
        return identify(Results(Folder(root), DETAILS))

    first = identity(leave(tmp_path, [18] * 6))
    assert identity(leave(tmp_path, [3] * 6)) == first
    assert identity(leave(tmp_path, [18] * 6, raw="b")) != first
    assert identity(leave(tmp_path, [18] * 6, true=21)) != first
    assert identity(leave(tmp_path, [18] * 5)) != first
    drawn = identity(leave(tmp_path, [18] * 6, kind="phantom"))
    assert identity(leave(tmp_path, [18] * 6, raw="b", kind="phantom")) == drawn != first


def test_a_missing_table_is_an_error_that_names_it(tmp_path: Path) -> None:
    leave(tmp_path, [18] * 6)
    (tmp_path / DETAILS).with_name("fields.csv").unlink()
    with pytest.raises(CytopipeError, match=r"fields\.csv of this run: no such file"):
        identify(Results(Folder(tmp_path), DETAILS))
