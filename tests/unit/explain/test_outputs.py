from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytopipe.core.params import Explain
from cytopipe.explain.outputs import Explanations, ShownImage, region_shares, settings
from cytopipe.results.predictions import Prediction

ABOUT = {"classifier": "c", "dataset": "d"}
EMPTY = Explanations.nothing(ABOUT, Explain(images=0, steps=50, baselines=10))
MEANS = {"nucleus": 0.2, "cytoplasm": 0.3, "background": 0.5}
SHARE: dict[str, dict[str, float | None]] = {
    name: {"mean": mean, "low": 0.1, "high": 0.9} for name, mean in MEANS.items()
}


def item() -> np.ndarray:
    stored = np.zeros((8, 8, 5), np.uint8)
    stored[4:, :, 3], stored[6:, :, 4] = 255, 255
    return stored


def full() -> Explanations:
    weights = np.zeros((8, 8))
    weights[7, 0], weights[0, 0] = 3.0, -1.0
    prediction = Prediction(id="x", group="g", label="a", predicted="b", probabilities=(0.25, 0.75))
    shown = ShownImage(prediction, item(), {"grad_cam": weights, "guided_backprop": 0 * weights})
    auc = {"auc": 0.4, "low": None, "high": None}
    kinds = ("deletion", "insertion")
    return Explanations(
        settings(ABOUT, ["grad_cam"], Explain(images=2, steps=50, baselines=10)),
        [shown],
        {"a": {"grad_cam": SHARE}},
        {"a": SHARE},
        {kind: {"grad_cam": auc, "random": {**auc, "auc": 0.6}} for kind in kinds},
        {kind: {"grad_cam": [0.9, 0.1], "random": [0.9, 0.2]} for kind in kinds},
        [0.0, 1.0],
        {"grad_cam": {"correlation": 0.1, "passed": True}},
        {},
    )


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def test_the_json_of_an_explained_image() -> None:
    content = full().details.plain
    assert content["images"] == [
        {
            "id": "x",
            "label": "a",
            "predicted": "b",
            "correct": False,
            "probability": 0.75,
            "panel": "x.png",
            "shares": {"grad_cam": {"nucleus": 0.75, "cytoplasm": 0.0, "background": 0.25}},
        }
    ]
    assert content["random"] == {"deletion_auc": 0.6, "insertion_auc": 0.6}
    assert list(content["deletion"]) == ["grad_cam"]
    json.dumps(content, allow_nan=False)


def test_numbers_for_the_tracker() -> None:
    below = {"grad_cam": 0.4, "random": 0.6}
    expected = {f"{kind}_auc/{name}": auc for kind in ("deletion", "insertion") for name, auc in below.items()}
    assert full().headline == expected | {"randomisation/grad_cam": 0.1}
    assert EMPTY.headline == {}


def test_tables_and_figures(tmp_path: Path) -> None:
    full().write_plots(tmp_path, tmp_path)
    found = rows(tmp_path / "shares.csv")
    assert [(row["method"], row["region"], row["share"]) for row in found][:4] == [
        ("pixels", "nucleus", "0.2"),
        ("pixels", "cytoplasm", "0.3"),
        ("pixels", "background", "0.5"),
        ("grad_cam", "nucleus", "0.2"),
    ]
    assert rows(tmp_path / "deletion.csv")[1] == {"method": "grad_cam", "fraction": "1", "probability": "0.1"}
    for name in ("shares.png", "perturbation.png"):
        with Image.open(tmp_path / name) as image:
            assert min(image.size) > 150


def test_without_images_there_are_nulls_empty_tables_and_a_note(tmp_path: Path) -> None:
    content = EMPTY.details.plain
    assert content["images"] == [] and content["methods"] == [] and content["steps"] == 50
    for name in ("shares", "area_shares", "deletion", "insertion", "random", "randomisation"):
        assert content[name] is None
    EMPTY.write_plots(tmp_path, tmp_path)
    EMPTY.write_panels(tmp_path / "panels")
    assert {file.name: rows(file) for file in tmp_path.glob("*.csv")} == {
        name: [] for name in ("shares.csv", "deletion.csv", "insertion.csv")
    }
    assert len(list(tmp_path.glob("*.png"))) == 2


def test_without_images_torch_is_not_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cytopipe.core.params import Explain\n"
        "from cytopipe.explain.outputs import Explanations\n"
        "Explanations.nothing({}, Explain(images=0)).write_plots(Path(sys.argv[1]), Path(sys.argv[1]))\n"
        "print(sorted({'torch', 'captum', 'timm'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_panels_are_written_by_id_with_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        full().write_panels(tmp_path / folder)
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["x.png"]
    assert (tmp_path / "a/x.png").read_bytes() == (tmp_path / "b/x.png").read_bytes()


def test_shares_of_maps_larger_than_the_stored_image() -> None:
    mask = full().shown[0].mask
    weights = np.ones((32, 32))
    assert region_shares(weights, mask) == pytest.approx({"nucleus": 0.25, "cytoplasm": 0.25, "background": 0.5})
