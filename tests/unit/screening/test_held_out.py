from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cytopipe.adapters.base import AnnotatedField
from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError
from cytopipe.models.folder import load_model
from cytopipe.models.folds import Folds
from cytopipe.screening.held_out import HeldOutPredictors
from fixture_types import SaveClassifier
from made_ensemble import make_ensemble


def test_a_field_is_named_by_the_network_that_has_not_seen_it(save_classifier: SaveClassifier, tmp_path: Path) -> None:
    folder = make_ensemble(tmp_path / "m", lambda place, seed: save_classifier(place, "rgb", seed))
    # Image i is tested in fold i % 3; the cells of field "gn" are the images n and n + 3, and "torn" has all of them.
    rows = [Row(f"{i:02}", "", "bad", 0, "test", f"g{i % 3}" if i < 6 else "torn", 9, 9, str(i)) for i in range(12)]
    own = HeldOutPredictors(Folds.read(folder), rows, torch.device("cpu"))
    for fold in (2, 0, 1):
        predictor = own(AnnotatedField("f", Path("f.png"), f"g{fold}", ()))
        expected, _ = load_model(folder / f"folds/{fold}")
        assert all(map(torch.equal, predictor.model.state_dict().values(), expected.state_dict().values()))
        assert predictor.rule.temperature == 2  # of this network, not of the mean
        assert own(AnnotatedField("g", Path("g.png"), f"g{fold}", ())) is predictor
    with pytest.raises(CytopipeError, match=r"the field 'x' are in 3 folds .* no network has seen none of them"):
        own(AnnotatedField("x", Path("x.png"), "torn", ()))
