"""Detectors that others exported: networks of a few lines, exported here as TorchScript and as ONNX."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cytopipe.core.params import Segmenter
from cytopipe.data.imaging.fields import Field
from cytopipe.errors import CytopipeError
from cytopipe.models import trust
from cytopipe.models.folder import save_model
from cytopipe.results.model_spec import TypicalSizes
from cytopipe.screening.detectors import find_cells
from cytopipe.screening.exported_detector import ExportedDetector, _in_order
from cytopipe.screening.finders import finder_of
from cytopipe.training.segmentation import make_segmenter
from fixture_types import DrawField

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
CPU = torch.device("cpu")
MIDDLES = [(40, 40), (120, 60), (500, 60), (60, 420), (378, 380), (400, 384)]  # x, y; the last two touch
HEIGHT, WIDTH = 480, 560


class Probability(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        dark = 1 - images.mean(1, keepdim=True)
        return torch.cat([(dark > 0.25).float(), (dark > 0.6).float()], 1)


class Distance(nn.Module):
    """A cell mask, and a value that is highest in the nucleus."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        dark = 1 - images.mean(1, keepdim=True)
        return torch.cat([(dark > 0.25).float(), F.avg_pool2d(dark, 13, 1, 6)], 1)


class Labels(nn.Module):
    """Nuclei and cells, numbered by the last pixel of each nucleus."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        dark = 1 - images.mean(1, keepdim=True)
        nucleus, cell = (dark > 0.6).float(), (dark > 0.25).float()
        height, width = images.shape[2], images.shape[3]
        numbers = torch.arange(1, height * width + 1, dtype=torch.float32).reshape(1, 1, height, width) * nucleus
        for _ in range(12):
            numbers = F.max_pool2d(numbers, 3, 1, 1) * nucleus
        whole = numbers
        for _ in range(11):
            whole = torch.where(whole > 0, whole, F.max_pool2d(whole, 3, 1, 1) * cell)
        return torch.cat([numbers, whole], 1)


class Wide(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images


FORMS = [(Probability, "probability"), (Distance, "distance"), (Labels, "labels")]


def export(network: nn.Module, path: Path) -> Path:
    if path.suffix == ".pt":
        torch.jit.save(torch.jit.script(network.eval()), path)
    else:
        sizes = {0: "n", 2: "h", 3: "w"}
        axes = {"images": sizes, "found": sizes}
        example, ends = (torch.rand(1, 3, 64, 64),), {"in": ["images"], "out": ["found"]}
        torch.onnx.export(
            network.eval(),
            example,
            path,
            input_names=ends["in"],
            output_names=ends["out"],
            dynamic_axes=axes,
            dynamo=False,
        )
    return path


def folder_of(path: Path, output: str, **more: Any) -> Path:
    data = path.read_bytes()
    known = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "output": output, "multiple": 16, **more}
    kind = "torchscript" if path.suffix == ".pt" else "onnx"
    given = {"dataset": "d", "architecture": kind, "arguments": known, "pretrained": str(path), "view": "tiles"}
    config = Segmenter.model_validate(given)
    trust.allow_named({"one": config})
    model, spec = make_segmenter(config, "0" * 64, TypicalSizes(cell_side=31.0))
    save_model(path.parent / "model", model, spec)
    return path.parent / "model"


@pytest.fixture(autouse=True)
def _nobody_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "_ALLOWED", set())
    monkeypatch.delenv(trust.VARIABLE, raising=False)


@pytest.mark.parametrize(
    ("network", "output"), [(Probability, "probability"), (Distance, "distance"), (Labels, "labels")]
)
def test_every_form_finds_each_cell_once(
    network: type[nn.Module], output: str, draw_field: DrawField, tmp_path: Path
) -> None:
    detector = ExportedDetector(folder_of(export(network(), tmp_path / "net.pt"), output, trust=True), CPU)
    field = Field.of(draw_field(HEIGHT, WIDTH, MIDDLES))
    found = list(find_cells(field, detector))
    middles = sorted(((c.box[0] + c.box[2] - 1) / 2, (c.box[1] + c.box[3] - 1) / 2) for c in found)
    assert len(found) == len(MIDDLES)
    for (x, y), (a, b) in zip(sorted(MIDDLES)[:3], middles[:3], strict=True):
        assert (x, y) == pytest.approx((a, b), abs=2)
    assert all(600 < cell.area < 800 for cell in found if cell.box[0] < 300)
    assert (found[0].nucleus is not None) == (output != "distance")
    assert {cell.box for cell in find_cells(field, detector, tile=150)} == {cell.box for cell in found}


def test_an_onnx_file_finds_the_same(draw_field: DrawField, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the extra `export` is not installed")
    pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
    field = Field.of(draw_field(120, 160, MIDDLES[:2]))
    folder = folder_of(export(Probability(), tmp_path / "net.onnx"), "probability")
    assert finder_of(folder) is ExportedDetector
    assert len(list(find_cells(field, ExportedDetector(folder, CPU)))) == 2


def test_torchscript_runs_only_where_somebody_allows_it(
    draw_field: DrawField, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = export(Probability(), tmp_path / "net.pt")
    field = Field.of(draw_field(120, 160, MIDDLES[:2]))
    folder = folder_of(path, "probability")
    with pytest.raises(CytopipeError, match="runs its author's code"):
        list(find_cells(field, ExportedDetector(folder, CPU)))
    folder = folder_of(path, "probability", trust=True)
    monkeypatch.setattr(trust, "_ALLOWED", set())
    with pytest.raises(CytopipeError, match="runs its author's code"):  # a model folder does not vouch for itself
        list(find_cells(field, ExportedDetector(folder, CPU)))
    monkeypatch.setenv(trust.VARIABLE, f"{'1' * 64}, {hashlib.sha256(path.read_bytes()).hexdigest()}")
    assert len(list(find_cells(field, ExportedDetector(folder, CPU)))) == 2


def test_another_file_is_refused_and_its_hash_is_said(tmp_path: Path) -> None:
    path = export(Probability(), tmp_path / "net.pt")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    for wrong in ({"sha256": "0" * 64}, {"size": 7}):
        with pytest.raises(CytopipeError, match=found):
            folder_of(path, "probability", **wrong)
    with pytest.raises(CytopipeError, match="size"):
        folder_of(path, "probability", size=1 << 40)
    config = {"dataset": "d", "architecture": "torchscript", "pretrained": str(tmp_path / "gone.pt"),
              "arguments": {"sha256": found, "size": 10, "output": "labels"}}  # fmt: skip
    with pytest.raises(CytopipeError, match="cannot be read"):
        make_segmenter(Segmenter.model_validate(config), "0" * 64)


@pytest.mark.parametrize("name", ["net.pt", "net.onnx"])
def test_what_is_no_network_is_refused(name: str, draw_field: DrawField, tmp_path: Path) -> None:
    if name == "net.onnx":
        pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
    (tmp_path / name).write_bytes(b"not a network")
    folder = folder_of(tmp_path / name, "labels", **({"trust": True} if name == "net.pt" else {}))
    with pytest.raises(CytopipeError, match="this is no"):
        list(find_cells(Field.of(draw_field(64, 64, MIDDLES[:1])), ExportedDetector(folder, CPU)))


def test_another_shape_is_refused(draw_field: DrawField, tmp_path: Path) -> None:
    wide = ExportedDetector(folder_of(export(Wide(), tmp_path / "wide.pt"), "labels", trust=True), CPU)
    with pytest.raises(CytopipeError, match="gives an array"):
        list(find_cells(Field.of(draw_field(64, 64, MIDDLES[:1])), wide))


def test_another_segmenter_is_refused(otsu_tiles: Path) -> None:
    with pytest.raises(CytopipeError, match="others exported"):
        ExportedDetector(otsu_tiles, CPU)


def test_labels_are_numbered_without_gaps() -> None:
    assert _in_order(np.array([[0, 7, -1], [3e8, 7, 0]], np.float32)).tolist() == [[0, 1, 0], [2, 1, 0]]
    assert _in_order(np.full((1, 2), 5.0)).tolist() == [[1, 1]]
