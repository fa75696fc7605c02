"""Images unlike the training images: altered test images, false alarms, and folds that judge their own images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cytopipe.data.manifest import Row, write_manifest
from cytopipe.evaluation.classifier.altered import ALTERATIONS
from cytopipe.evaluation.classifier.evaluate import evaluate
from cytopipe.evaluation.classifier.unfamiliar import write_unfamiliar
from cytopipe.models.bundle import save_classifier
from cytopipe.models.files import FAMILIAR, fold_part
from cytopipe.models.registry import build
from cytopipe.results.model_spec import ModelSpec
from cytopipe.results.unfamiliar import UNFAMILIAR, Unfamiliar
from cytopipe.training.data import Labelled
from cytopipe.training.familiarity import learn_familiar

CPU = torch.device("cpu")
SIDE, COUNT = 24, 60
SPLITS = ("train", "val", "test")


def cells(count: int, seed: int) -> np.ndarray:
    """Dark and grey discs on a bright, uneven background."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    inside = (x**2 + y**2)[None, :, :, None] < rng.uniform(5, 9, (count, 1, 1, 1)) ** 2
    tone = np.where(np.arange(count) % 2, 60, 130)[:, None, None, None] + np.array([20, -30, 40])
    items = np.zeros((count, SIDE, SIDE, 5), np.uint8)
    items[..., :3] = np.clip(np.where(inside, tone, 215) + rng.normal(0, 8, (count, SIDE, SIDE, 3)), 0, 255)
    return items


@pytest.fixture
def tensors(tmp_path: Path) -> Path:
    folder, rows = tmp_path / "tensors", []
    folder.mkdir()
    for seed, split in enumerate(SPLITS):
        np.save(folder / f"{split}.npy", cells(COUNT, seed))
        for i in range(COUNT):
            group = f"{split}{i // 6}"
            rows.append(Row(f"{split}{i:02}", "", "ab"[i % 2], i % 2, split, group, SIDE, SIDE, "0" * 64))
    write_manifest(folder / "manifest.csv", sorted(rows, key=lambda one: one.id))
    return folder


def write_model(folder: Path, parts: list[str], folds: dict[str, int], known: bool = True) -> Path:
    networks, more = {}, {}
    for number, part in enumerate(parts):
        torch.manual_seed(number)
        model = build("cell_background", num_classes=2, in_channels=3, input_size=SIDE).eval()
        spec = ModelSpec(
            task="classification",
            architecture="cell_background",
            arguments={"num_classes": 2, "in_channels": 3, "input_size": SIDE},
            classes=("a", "b"),
            channels="rgb",
            input_size=SIDE,
            mean=(0.5,) * 3,
            std=(0.25,) * 3,
            training_data_sha256="0" * 64,
            decision_rule={"temperature": 1.0, "confidence_threshold": 0.0},
        )
        if known:
            train, validation = (Labelled(cells(COUNT, seed), np.arange(COUNT) % 2) for seed in (0, 1))
            learnt = learn_familiar(model, spec, train, validation, [str(i // 6) for i in range(COUNT)], CPU)
            spec = spec.model_copy(update={"familiarity": learnt.rule})
            more[part] = {FAMILIAR: learnt.familiar.to_bytes()}
        networks[part] = (model, spec)
    folder.mkdir()
    save_classifier(folder, "net", networks, folds, {}, None, more)
    return folder


def measured(model: Path, tensors: Path, folder: Path) -> Unfamiliar | None:
    folder.mkdir()
    write_unfamiliar(folder, evaluate(model, tensors, "d", CPU), model, tensors, CPU)
    file = folder / UNFAMILIAR
    return Unfamiliar.read(file) if file.is_file() else None


def test_altered_images_are_told_and_test_images_are_not(tmp_path: Path, tensors: Path) -> None:
    found = measured(write_model(tmp_path / "model", [""], {}), tensors, tmp_path / "clinical")
    assert found is not None and (found.images, found.groups, found.altered_images) == (COUNT, 10, COUNT)
    assert found.holds and found.false_alarms.value is not None and found.false_alarms.value < 0.1
    assert found.altered.keys() == ALTERATIONS.keys()
    for name in ("white", "black", "noise", "inverted", "enlarged corner"):
        one = found.altered[name]
        assert (one.auroc.value, one.flagged.value, one.confident, one.passed) == (1, 1, 1, 0), name
        assert one.auroc.low is not None
    assert (found.rules[0].images, found.rules[0].groups) == (COUNT, 10)
    assert found.rules[0].expected == pytest.approx(1 / 61, abs=1e-5)
    assert found.rules[0].at_most == pytest.approx(1 / 11, abs=1e-5)


def test_every_fold_judges_the_images_that_it_tests(tmp_path: Path, tensors: Path) -> None:
    folds = {f"{split}{i:02}": i // 6 % 2 for split in SPLITS for i in range(COUNT)}
    model = write_model(tmp_path / "model", [fold_part(0), fold_part(1)], folds)
    found = measured(model, tensors, tmp_path / "clinical")
    assert found is not None and len(found.rules) == 2 and found.images == 3 * COUNT
    assert found.altered["white"].flagged.value == 1


def test_an_older_model_writes_nothing(tmp_path: Path, tensors: Path) -> None:
    assert measured(write_model(tmp_path / "model", [""], {}, known=False), tensors, tmp_path / "clinical") is None


@pytest.mark.parametrize("name", ALTERATIONS)
def test_alterations_keep_the_form_and_the_originals(name: str) -> None:
    images = np.ascontiguousarray(cells(3, 0)[..., :3])
    before = images.copy()
    first, second = (ALTERATIONS[name](images, np.random.default_rng(0)) for _ in range(2))
    assert first.shape == images.shape and first.dtype == np.uint8 and (first == second).all()
    assert (images == before).all() and (first != images).any()


def test_shuffling_keeps_the_pixels() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 26, 26, 3), dtype=np.uint8)
    mixed = ALTERATIONS["shuffled tiles"](images, np.random.default_rng(0))
    assert (np.sort(mixed[:, :24, :24], axis=None) == np.sort(images[:, :24, :24], axis=None)).all()
    assert (mixed[:, 24:] == images[:, 24:]).all()
