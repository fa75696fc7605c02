"""The command `cytopipe screen`."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cytopipe.data.imaging.decode import encode_png
from fixture_types import Cytopipe, SaveClassifier
from made_ensemble import make_ensemble


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_classifier: SaveClassifier) -> Path:
    """The current folder: a model with its segmenter, and two fields with three cells and one."""
    monkeypatch.chdir(tmp_path)
    save_classifier(tmp_path / "model")
    for name, middles in {"a/field.png": [(60, 60), (150, 70), (90, 140)], "b/field.png": [(100, 100)]}.items():
        image = np.full((200, 220, 3), 235, np.uint8)
        for radius, grey in ((15, 150), (5, 40)):
            for middle in middles:
                cv2.circle(image, middle, radius, (grey,) * 3, cv2.FILLED)
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(encode_png(image))
    return tmp_path


DETECTOR = ("--segmenter", "model/segmenter", "--scale", "0.5")


def test_fields_are_screened(cytopipe: Cytopipe, folder: Path) -> None:
    result = cytopipe("screen", "a", "b", "--model", "model", *DETECTOR)
    assert result.exit_code == 0, result.output
    files = sorted(path.name for path in (folder / "screened").iterdir() if not path.name.startswith("."))
    assert files == [f"{name}_field{suffix}" for name in "ab" for suffix in (".csv", ".geojson", ".png")]
    assert len((folder / "screened/a_field.csv").read_text().splitlines()) == 4
    assert "a_field      3" in result.stdout and "bad" in result.stdout


def test_further_formats_are_written_and_ids_follow_the_options(cytopipe: Cytopipe, folder: Path) -> None:
    pytest.importorskip("zarr")
    ids = []
    for out, *options in (["one", "--also", "coco", "--also", "ngff"], ["two", "--margin", "0.1"], ["three"]):
        result = cytopipe("screen", "a", "--model", "model", *DETECTOR, *options, "--out", out)
        assert result.exit_code == 0, result.output
        features = json.loads((folder / out / "field.geojson").read_text())["features"]
        ids.append({feature["id"] for feature in features})
    coco = json.loads((folder / "one/field.coco.json").read_text())
    assert {one["attributes"]["cell"] for one in coco["annotations"]} == ids[0]
    assert coco["images"][0]["file_name"] == "field.png" and (folder / "one/field.labels.zarr/cells/0").is_dir()
    assert ids[0] == ids[2] and not ids[0] & ids[1] and len(ids[0]) == 3


def test_json_alone_is_on_standard_output(cytopipe: Cytopipe, folder: Path) -> None:
    result = cytopipe("screen", "a/field.png", "--model", "model", *DETECTOR, "--json", "--out", "found")
    output = json.loads(result.stdout)
    assert (output["fields"], output["unreadable"], output["cells"], output["cut"]) == (1, 0, 3, 0)
    assert set(output["classes"]) == {"bad", "good"} and sum(output["classes"].values()) == 3
    [one] = output["results"]
    assert (one["name"], one["width"], one["height"], one["cells"]) == ("field", 220, 200, 3)
    assert output["seconds"] >= one["seconds"] > 0
    assert (folder / "found/field.geojson").is_file()


def test_count_writes_nothing(cytopipe: Cytopipe, folder: Path) -> None:
    result = cytopipe("screen", "a", "b", "--model", "model", *DETECTOR, "--count", "--json")
    output = json.loads(result.stdout)
    assert set(output) == {"fields", "unreadable", "cells", "classes", "uncertain", "cut"} and output["cells"] == 4
    assert not (folder / "screened").exists()


def test_what_cannot_be_read_is_output_and_the_rest_goes_on(cytopipe: Cytopipe, folder: Path) -> None:
    (folder / "a/broken.png").write_bytes(b"no image")
    result = cytopipe("screen", "a", *DETECTOR, "--json")
    assert result.exit_code == 2
    output = json.loads(result.stdout)
    assert (output["fields"], output["unreadable"], output["cells"]) == (1, 1, 3)
    assert "not an image" in output["results"][0]["error"] and "not an image" in result.stderr
    assert (folder / "screened/field.csv").is_file() and not (folder / "screened/broken.csv").exists()


def test_a_classifier_with_a_rule_for_patients_answers_for_each_field_or_slide(
    cytopipe: Cytopipe, folder: Path
) -> None:
    rule = {"rule": "mean", "label": "worst", "specificity": 0.9, "slope": 1.0, "intercept": 0.0, "threshold": -9.0}
    (folder / "model/patients.json").write_text(json.dumps(rule))
    (folder / "a/broken.png").write_bytes(b"no image")
    for by, groups in ((), ["broken", "a_field", "b_field"]), (("--by", "folder"), ["a", "b"]):
        result = cytopipe("screen", "a", "b", "--model", "model", *DETECTOR, *by)
        assert result.exit_code == 2 and "screened.by.csv" in result.stderr
        lines = (folder / "screened/screened.by.csv").read_text().splitlines()[1:]
        rows = {line.split(",")[0]: line.split(",") for line in lines}
        assert set(rows) == set(groups)
        name = "a" if by else "a_field"
        assert rows[name][2:4] == ["abnormal", "3"] and rows[name][4] == ("1" if by else "0")
        assert {one.partition("#")[0] for one in rows[name][5].split("|")} == {"a_field"}


def test_cells_by_patches(cytopipe: Cytopipe, folder: Path, save_classifier: SaveClassifier) -> None:
    save_classifier(folder / "patches", "rgb", classes=("background", "cell"))
    result = cytopipe("screen", "a", "--patches", "patches", "--box", "40", "--threshold", "0", "--json")
    assert result.exit_code == 0, result.output
    output = json.loads(result.stdout)
    rows = (folder / "screened/field.csv").read_text().splitlines()[1:]
    assert output["cells"] == len(rows) > 0
    assert all(int(row.split(",")[3]) - int(row.split(",")[1]) <= 40 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "give one detector"),
        (["a", "--segmenter", "model/segmenter", "--patches", "model"], "give one detector"),
        (["a", *DETECTOR, "--box", "40"], "--box needs --patches"),
        (["a", "--segmenter", "model/segmenter"], "--scale"),
        (["a", "--segmenter", "model"], "a classifier, not a segmenter"),
        (["a", "--model", "model/segmenter", *DETECTOR], "a segmenter, not a classifier"),
        (["a", "--segmenter", "nowhere"], "no such model folder"),
        (["nowhere", *DETECTOR], "nowhere"),
    ],
)
def test_what_is_wrong_is_said(cytopipe: Cytopipe, folder: Path, arguments: list[str], message: str) -> None:
    result = cytopipe("screen", *arguments)
    assert result.exit_code == 1
    assert message in result.stderr and "Traceback" not in result.stderr
    assert result.stdout == ""
    assert not (folder / "screened").exists()


def test_folds_name_cells_as_one_model(cytopipe: Cytopipe, folder: Path, save_classifier: SaveClassifier) -> None:
    make_ensemble(folder / "folded", lambda place, seed: save_classifier(place, "rgb", seed))
    result = cytopipe("screen", "a", "--model", "folded", *DETECTOR)
    assert result.exit_code == 0, result.output
    assert "the mean of 3 networks (folds)" in result.stderr
    assert len((folder / "screened/field.csv").read_text().splitlines()) == 4
