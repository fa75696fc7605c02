"""The stage of a slide, without an engine."""

from __future__ import annotations

import hashlib
import json
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from cytopipe.core.params import Runtime, Segmenter
from cytopipe.core.params.slides import Slide
from cytopipe.models import trust
from cytopipe.models.folder import save_model
from cytopipe.results.model_spec import TypicalSizes
from cytopipe.training.segmentation import make_segmenter
from fixture_types import SaveClassifier
from made_slides import drawn, write_aperio

STAGE = Path(__file__).parents[3] / "stages/screen.py"


class Darkness(nn.Module):
    """One channel, the logit of a cell: what is dark."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 40 * (0.8 - images.mean(dim=1, keepdim=True))


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Segmenter:
    """A detector that others exported as TorchScript, as a model folder of the current project, and its parameters."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trust, "_ALLOWED", set())
    monkeypatch.delenv(trust.VARIABLE, raising=False)
    torch.jit.save(torch.jit.script(Darkness()), tmp_path / "net.pt")
    data = (tmp_path / "net.pt").read_bytes()
    known = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "output": "probability", "logits": True}
    config = Segmenter.model_validate(
        {"dataset": "d", "architecture": "torchscript", "arguments": {**known, "trust": True}}
        | {"pretrained": str(tmp_path / "net.pt"), "view": "tiles"}
    )
    save_model(Path("models/segmenters/theirs"), *make_segmenter(config, "0" * 64, TypicalSizes(cell_side=31.0)))
    return config


def test_params_trust_the_torchscript_that_screens_a_slide(
    theirs: Segmenter, save_classifier: SaveClassifier, tmp_path: Path
) -> None:
    save_classifier(tmp_path / "models/classifiers/c")
    write_aperio(tmp_path / "a.svs", drawn(300, 300, [(80, 90), (200, 150)]))
    slide = Slide(path="a.svs", detector="segmenters/theirs", classifier="c", mpp=0.25, tile=256)

    def output(path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def nothing(*_: Any) -> None: ...

    stage = SimpleNamespace(
        item="a",
        params=SimpleNamespace(
            runtime=Runtime(device="cpu", cpu="native", num_threads=1, num_workers=0),
            segmenters={"theirs": theirs},
            slides={"a": slide},
        ),
        checkpoints=tmp_path / "state/key",
        progress=lambda items, *_: iter(items),
        output=output,
        tracker=SimpleNamespace(log_metrics=nothing, log_dict=nothing, log_figure=nothing),
    )
    runpy.run_path(str(STAGE))["run"](stage)
    assert json.loads(Path("results/slides/a/summary.json").read_text())["cells"] == 2
