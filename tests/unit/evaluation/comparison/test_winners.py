"""What the stage `compare` hands to MLflow's registry."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from cytopipe import paths
from cytopipe.core.params import load_params
from cytopipe.evaluation.comparison.leaderboard import Entry, leaderboard
from cytopipe.results.classifier import ClassifierDetails

STAGE = Path(__file__).resolve().parents[4] / "stages/compare.py"


def test_cross_validated_classifiers_are_registered_with_what_their_numbers_are(
    finished_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished_project / "results", tmp_path / "results")
    shutil.copyfile(finished_project / paths.PARAMS, tmp_path / paths.PARAMS)
    monkeypatch.chdir(tmp_path)
    folded = paths.classifier("folded")
    shutil.copyfile(folded.predictions, paths.validation("folded"))  # out-of-fold predictions are both
    hashes = {"train": "a" * 64, "val": "b" * 64, "test": "c" * 64}
    details = ClassifierDetails.read(folded.details).model_copy(update={"model": "f" * 12, "test_sha256": hashes})
    details.write(folded.details)
    config = load_params(paths.PARAMS).classifiers["folded"]
    board = leaderboard([Entry.read("folded", config)])
    spec = importlib.util.spec_from_file_location("compare", STAGE)
    assert spec is not None and spec.loader is not None
    stage = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stage)
    (winner,) = stage.winners(board)
    assert (winner.dataset, winner.classifier, winner.identity) == ("blood", "folded", "f" * 12)
    assert winner.choice.startswith("cross-validated accuracy") and len(winner.validation.rows) == details.images
    assert winner.tags["performance"].startswith("cross-validated") and "validation_accuracy" not in winner.tags
    assert winner.tags["test_sha256"] == " ".join(f"{split}:{digest}" for split, digest in hashes.items())
    # An earlier version's folds are no model together.
    details.model_copy(update={"model": None}).write(folded.details)
    assert list(stage.winners(board)) == []
