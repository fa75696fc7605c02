"""Screening of the only available real field with outlined cells, from SIPaKMeD: 16 cells in 2048 x 1536 pixels.

There is no network that was trained on real SIPaKMeD images, so the cells are detected by Otsu's threshold and not
classified. A single field gives no interval.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cytopipe import paths
from cytopipe.adapters.base import AnnotatedField
from cytopipe.adapters.registry import ADAPTERS
from cytopipe.core.io.archives import extract_archive
from cytopipe.data.imaging.fields import open_field
from cytopipe.metrics.detection import Detection, ScreenedField, TrueCell
from cytopipe.metrics.screening import detection_metrics
from cytopipe.models.folder import save_model
from cytopipe.models.registry import build
from cytopipe.results.model_spec import ModelSpec
from cytopipe.screening.detectors import find_cells
from cytopipe.screening.score import load_detector

pytestmark = pytest.mark.realdata

ARCHIVE = "sipakmed_fixture.zip"
SIDE, SCALE = 512, 0.25  # one window, hence one threshold, for the whole field
CELL = 300.0  # longer side of a superficial cell in the phantoms' table, pixels; not measured on this field


@pytest.fixture(scope="module")
def annotated(datasets_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> AnnotatedField:
    archive = datasets_folder / ARCHIVE
    if not archive.is_file():
        pytest.skip(f"no {archive}")
    raw = tmp_path_factory.mktemp("raw")
    extract_archive(archive, raw)
    (field,) = ADAPTERS["sipakmed"].read_fields(raw)
    return field


@pytest.fixture
def otsu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> paths.Trained:
    """The model folder of Otsu's threshold."""
    monkeypatch.chdir(tmp_path)
    view = {"view": "tiles", "input_size": SIDE, "scale": SCALE, "overlap": 0.0}
    spec = ModelSpec(
        task="segmentation",
        architecture="otsu",
        classes=("cyt", "nuc"),
        arguments={},
        channels="rgb",
        input_size=SIDE,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        training_data_sha256="0" * 64,
        view=view,
        typical_sizes={"cell_side": CELL},
    )
    model = paths.segmenter("otsu")
    save_model(model.model, build("otsu"), spec)
    return model


def screened(annotated: AnnotatedField, cells: list[Detection]) -> ScreenedField:
    true = [TrueCell(cell.id, cell.label, cell.cytoplasm) for cell in annotated.cells]
    with open_field(annotated.image) as field:
        return ScreenedField(annotated.id, annotated.group, field.height, field.width, true, cells)


def test_the_publishers_own_outlines_find_every_cell(annotated: AnnotatedField) -> None:
    own = [TrueCell(cell.id, cell.label, cell.cytoplasm) for cell in annotated.cells]
    perfect = screened(annotated, [Detection(one.shape.box, one.contour, 1.0, one.label) for one in own])
    metrics = detection_metrics([perfect], [annotated.cells[0].label])
    assert metrics["cells"] == metrics["found"] == 16
    for kind in ("boxes", "contours"):
        assert metrics[kind]["f1"].value == metrics[kind]["mean_iou"].value == 1
        assert metrics[kind]["f1"].withheld, "one field: no interval is claimed"


def test_a_threshold_finds_some_of_the_cells(annotated: AnnotatedField, otsu: paths.Trained) -> None:
    detector = load_detector(otsu, torch.device("cpu"), {"overlap": 0.0})
    with open_field(annotated.image) as field:
        found = list(find_cells(field, detector))
    label = annotated.cells[0].label  # one label for all, so that precision and recall are those of the detection
    result = screened(annotated, [Detection(one.box, one.contour, one.score, label) for one in found])
    metrics = detection_metrics([result], [label])
    boxes, contours = metrics["boxes"], metrics["contours"]
    # Seven of the sixteen: a threshold cannot separate touching cells, nor tell a fold from a nucleus.
    assert 0.4 <= boxes["f1"].value <= 0.6 and 6 / 16 <= boxes["recall"].value <= 9 / 16
    assert 0.3 <= contours["f1"].value <= 0.6
    assert abs(metrics["count"]["mean_error"].value) <= 5
    assert boxes["f1"].withheld
