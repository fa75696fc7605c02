"""The command `cytopipe screen` on whole slides."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from cytopipe.data.imaging.decode import encode_png
from fixture_types import Cytopipe, SaveClassifier
from made_slides import drawn, spread, write_aperio, write_ome_zarr

MIDDLES = spread(420, 560, 30)
DETECTOR = ("--segmenter", "model/segmenter", "--scale", "0.8", "--tile", "256")
SUFFIXES = (".csv", ".geojson", ".json", ".png")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_classifier: SaveClassifier) -> Path:
    """The current folder: a model with its segmenter, two slides and a field."""
    monkeypatch.chdir(tmp_path)
    save_classifier(tmp_path / "model")
    image = drawn(420, 560, MIDDLES)
    (tmp_path / "slides").mkdir()
    write_aperio(tmp_path / "slides/a.svs", image, mpp=0.5)
    write_ome_zarr(tmp_path / "slides/b.zarr", [image], mpp=0.5)
    (tmp_path / "slides/c.png").write_bytes(encode_png(np.ascontiguousarray(image[:300, :300])))
    return tmp_path


def test_slides_are_screened_beside_fields(cytopipe: Cytopipe, folder: Path) -> None:
    result = cytopipe("screen", "slides", "--model", "model", *DETECTOR, "--mpp", "0.5", "--json")
    assert result.exit_code == 0, result.output
    output = json.loads(result.stdout)
    assert [one["name"] for one in output["results"]] == ["a", "b", "c"]
    a, b, _ = output["results"]
    assert (a["cells"], a["classes"], a["tiles"], a["read_mpp"]) == (b["cells"], b["classes"], 6, 0.5)
    assert a["cells"] == len(MIDDLES)
    assert "a: read at 0.5 micrometres a pixel from level 0; 1 of 6 tiles are empty" in result.stderr
    assert "c: the slide says no pixel size; taken to be --mpp 0.5" in result.stderr
    files = {path.name for path in (folder / "screened").iterdir() if not path.name.startswith(".")}
    assert files == {f"{name}{suffix}" for name in "abc" for suffix in SUFFIXES}
    with (folder / "screened/a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:14] == [
        *("cell", "left", "top", "right", "bottom", "area", "cut", "score", "plane", "focus"),
        *("class", "confidence", "uncertain", "p_bad"),
    ]
    assert {row["plane"] for row in rows} == {"0"}


def test_parts_are_merged_into_what_one_process_writes(cytopipe: Cytopipe, folder: Path) -> None:
    rule = {"rule": "mean", "label": "worst", "specificity": 0.9, "slope": 1.0, "intercept": 0.0, "threshold": -9.0}
    (folder / "model/patients.json").write_text(json.dumps(rule))
    given = ("screen", "slides/a.svs", "--model", "model", *DETECTOR, "--mpp", "0.5", "--out")
    assert cytopipe(*given, "once").exit_code == 0
    for number in (3, 1, 2):
        result = cytopipe(*given, "parts", "--part", f"{number}/3", "--json")
        assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (folder / "parts").iterdir()) == [
        f"a.part-{number}-of-3.jsonl" for number in (1, 2, 3)
    ]
    result = cytopipe(*given, "parts", "--merge")
    assert result.exit_code == 0, result.output
    once, parts = (
        {path.name: path.read_bytes() for path in (folder / name).iterdir() if not path.name.startswith(".")}
        for name in ("once", "parts")
    )
    assert once == parts and "screened.by.csv" in once
    again = cytopipe(*given, "parts", "--merge")
    assert again.exit_code == 2 and "no parts of 'a'" in again.stderr


def test_a_merge_needs_no_model(cytopipe: Cytopipe, folder: Path) -> None:
    assert cytopipe("screen", "slides/a.svs", *DETECTOR, "--mpp", "0.5", "--part", "1/1").exit_code == 0
    result = cytopipe("screen", "slides/a.svs", "--merge", "--json")
    assert result.exit_code == 0 and json.loads(result.stdout)["cells"] == len(MIDDLES)


def test_slides_are_counted_without_files(cytopipe: Cytopipe, folder: Path) -> None:
    result = cytopipe("screen", "slides/a.svs", *DETECTOR, "--mpp", "0.5", "--count", "--json")
    assert json.loads(result.stdout)["cells"] == len(MIDDLES) and not (folder / "screened").exists()


def test_a_detector_of_patches_knows_its_scale(
    cytopipe: Cytopipe, folder: Path, save_classifier: SaveClassifier
) -> None:
    fit = {"kind": "scale", "um_per_pixel": 1.0}
    save_classifier(folder / "patches", "rgb", classes=("background", "cell"), fit=fit)
    result = cytopipe(
        *("screen", "slides/a.svs", "--patches", "patches", "--threshold", "0.5", "--json", "--tile", "256", "--count")
    )
    assert result.exit_code == 0, result.output
    assert "a: read at 1 micrometres a pixel from level 0" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["slides/a.svs", *DETECTOR], "neither the model nor an option says"),
        (["slides/a.svs", *DETECTOR, "--part", "4/3"], "no part"),
        (["slides/a.svs", *DETECTOR, "--part", "1/3", "--merge"], "--part, and when all parts are there"),
        (["slides/a.svs", "--merge"], "no parts of 'a'"),
        (["slides/a.svs", *DETECTOR, "--mpp", "0.5", "--also", "coco"], "a.svs is screened as a slide"),
        (["truncated.svs", *DETECTOR, "--mpp", "0.5"], "truncated"),
        (["none.svs", *DETECTOR, "--mpp", "0.5"], "not a slide"),
        (["unknown.svs", "--segmenter", "model/segmenter", "--scale", "1"], "neither the model nor an option"),
    ],
)
def test_what_is_wrong_is_said(cytopipe: Cytopipe, folder: Path, arguments: list[str], message: str) -> None:
    content = (folder / "slides/a.svs").read_bytes()
    (folder / "truncated.svs").write_bytes(content[: len(content) // 2])
    (folder / "none.svs").write_bytes(b"nothing of a slide" * 100)
    write_aperio(folder / "unknown.svs", drawn(300, 300, [(100, 100)]), mpp=None)
    result = cytopipe("screen", *arguments)
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.stderr.split()) and "Traceback" not in result.stderr
    assert not list(folder.glob("screened/[!.]*"))
