"""Several networks as one classifier: their mean, their rule, and that they are the networks that chose it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cytopipe.errors import CytopipeError
from cytopipe.models.ensemble import MeanOfNetworks, load_classifier, members_of, save_ensemble
from cytopipe.models.files import model_id
from cytopipe.models.folder import load_model
from cytopipe.models.inference.classify import class_probabilities, input_transform
from cytopipe.models.inference.predictor import Predictor
from cytopipe.models.members import is_model, is_usable, spec_of
from cytopipe.results.ensemble import Kind
from fixture_types import SaveClassifier
from made_ensemble import RULE, make_ensemble

CPU = torch.device("cpu")
ITEMS = np.random.default_rng(2).integers(0, 256, (7, 24, 24, 5), np.uint8)


@pytest.fixture
def folded(save_classifier: SaveClassifier, tmp_path: Path) -> Path:
    return make_ensemble(tmp_path / "m", lambda folder, seed: save_classifier(folder, "rgb", seed))


@pytest.mark.parametrize("kind", ["folds", "seeds"])
def test_probabilities_are_exactly_the_mean_of_the_members(
    kind: Kind, save_classifier: SaveClassifier, tmp_path: Path
) -> None:
    folder = make_ensemble(tmp_path / "m", lambda place, seed: save_classifier(place, "rgb", seed), kind)
    parts = [f"{kind}/{number}" if number or kind == "folds" else "" for number in range(3)]
    each = []
    for part in parts:
        model, spec = load_model(folder / part)
        each.append(class_probabilities(model, input_transform(spec, CPU), ITEMS))
    model, spec = load_classifier(folder)
    assert isinstance(model, MeanOfNetworks) and len(members_of(model)) == 3
    found = class_probabilities(model, input_transform(spec, CPU), ITEMS)
    assert np.array_equal(found, (each[0] + each[1] + each[2]) / 3)
    assert not np.allclose(found, each[0], atol=1e-4)
    assert spec.decision_rule == RULE and spec_of(folder) == spec
    predicted = list(Predictor.load(folder, CPU)([item[..., :3] for item in ITEMS]))
    assert np.array_equal([one.probabilities for one in predicted], found)
    logits = model(input_transform(spec, CPU)(torch.from_numpy(ITEMS)))
    assert np.allclose(torch.softmax(logits, dim=1).detach().numpy(), found, atol=1e-12)


def test_orientations_are_averaged_for_each_member(save_classifier: SaveClassifier, tmp_path: Path) -> None:
    folder = make_ensemble(tmp_path / "m", lambda place, seed: save_classifier(place, "rgb", seed, tta=8))
    model, spec = load_classifier(folder)
    transform = input_transform(spec, CPU)
    each = [class_probabilities(one, transform, ITEMS, tta=8) for one in members_of(model)]
    found = class_probabilities(model, transform, ITEMS, tta=8)
    assert np.allclose(found, np.mean(each, axis=0), rtol=0, atol=1e-12)


def test_the_rule_is_that_of_the_mean_and_masks_come_from_the_shared_segmenter(
    save_classifier: SaveClassifier, tmp_path: Path
) -> None:
    folder = make_ensemble(tmp_path / "m", lambda place, seed: save_classifier(place, seed=seed))
    for part in ("folds/0", "folds/1", "folds/2"):
        (folder / part / "segmenter").rename(folder / "segmenter") if part == "folds/0" else shutil.rmtree(
            folder / part / "segmenter"
        )
    predictor = Predictor.load(folder, CPU)
    (one,) = predictor([ITEMS[0, ..., :3]])
    assert predictor.rule == RULE and one.mask is not None
    powers = one.probabilities ** (1 / 1.5)
    assert one.confidence == pytest.approx((powers / powers.sum()).max())
    assert one.uncertain == (one.confidence < RULE.confidence_threshold)  # type: ignore[operator]  # it has one


def test_the_identity_covers_every_member(save_classifier: SaveClassifier, folded: Path, tmp_path: Path) -> None:
    again = make_ensemble(tmp_path / "a", lambda place, seed: save_classifier(place, "rgb", seed))
    other = make_ensemble(tmp_path / "b", lambda place, seed: save_classifier(place, "rgb", seed + (seed == 2)))
    assert model_id(again) == model_id(folded) != model_id(other)
    assert is_model(folded) and is_usable(folded)


def test_a_member_that_did_not_choose_the_rule_is_refused(save_classifier: SaveClassifier, folded: Path) -> None:
    save_classifier(folded / "folds/1", "rgb", 9)
    with pytest.raises(CytopipeError, match=r"folds/1: is not the network whose predictions chose the decision rule"):
        Predictor.load(folded, CPU)


@pytest.mark.parametrize("damage", ["ensemble.json", "folds/2/weights.safetensors"])
def test_a_damaged_file_is_refused(damage: str, folded: Path) -> None:
    with (folded / damage).open("ab") as file:
        file.write(b" ")
    with pytest.raises(CytopipeError, match=f"{damage}: does not match its checksum"):
        Predictor.load(folded, CPU)


def test_members_must_see_the_same_input(save_classifier: SaveClassifier, folded: Path) -> None:
    save_classifier(folded / "folds/1", "rgb", 1, mean=(0.4,) * 3)
    save_ensemble(folded, "folds", ["folds/0", "folds/1"], RULE, 4, 2)
    (folded / "SHA256SUMS").write_text((folded / "SHA256SUMS").read_text().splitlines()[-1] + "\n")
    with pytest.raises(CytopipeError, match=r"folds/1: has another mean than the first network"):
        Predictor.load(folded, CPU)


def test_folds_of_an_earlier_version_say_what_to_do(folded: Path) -> None:
    (folded / "ensemble.json").unlink()
    (folded / "SHA256SUMS").unlink()
    for load in (lambda: Predictor.load(folded, CPU), lambda: spec_of(folded)):
        with pytest.raises(CytopipeError, match=r"no ensemble\.json .*earlier version.*\n.*train it again.*folds/0"):
            load()
    assert is_model(folded) and not is_usable(folded)
    assert Predictor.load(folded / "folds/0", CPU).rule.temperature == 2


def test_seeds_of_an_earlier_version_are_the_first_network(save_classifier: SaveClassifier, tmp_path: Path) -> None:
    for place in (tmp_path / "m", tmp_path / "m/seeds/1"):
        save_classifier(place, "rgb", len(place.parts))
    assert members_of(load_classifier(tmp_path / "m")[0])[0].state_dict().keys()
    assert not isinstance(load_classifier(tmp_path / "m")[0], MeanOfNetworks)


def test_a_folder_is_described_without_torch(folded: Path) -> None:
    script = """
import sys
from pathlib import Path
from cytopipe.models.members import spec_of
assert spec_of(Path(sys.argv[1])).decision_rule.temperature == 1.5
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script, str(folded)], check=True)
