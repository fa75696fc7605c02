"""From tensors to the answers for patients: a classifier is trained, saved, evaluated and read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from cytopipe.core.params import SPLITS, Classifier, Patients
from cytopipe.data.manifest import Row, write_manifest
from cytopipe.data.tensors import load_split
from cytopipe.evaluation.classifier.evaluate import evaluate
from cytopipe.evaluation.classifier.patients import write_patients
from cytopipe.metrics.patients import Groups, group_labels
from cytopipe.models.bundle import Together, save_classifier
from cytopipe.models.decision_rule import abnormality, calibrate
from cytopipe.models.inference.predictor import Predictor
from cytopipe.models.patients import Evidence, read_rule
from cytopipe.results.headline import MOST
from cytopipe.results.patients import PatientAnswers, PatientEvaluation
from cytopipe.training.group_rules import Held, fit_rule
from cytopipe.training.patients import NO_ENSEMBLE, NO_NORMAL, patient_files
from cytopipe.training.train_classifier import ClassifierJob, TrainedClassifier, train_classifier
from cytopipe.training.workspace import Workspace

CPU = torch.device("cpu")
GROUPS, IMAGES = 36, 3
CLASSES = ("ill", "well")
Once = tuple[ClassifierJob, TrainedClassifier]


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 patients of 3 images, 12 in each split: every other one is ill, and has one bright image and two dark ones."""
    folder = tmp_path_factory.mktemp("grouped")
    rows = []
    for group in range(GROUPS):
        for image in range(IMAGES):
            label = 0 if group % 2 and image == 1 else 1
            name = f"{group:02}_{image}"
            rows.append(Row(name, "", CLASSES[label], label, SPLITS[group // 12], f"p{group:02}", 32, 32, name))
    items = np.random.default_rng(0).integers(0, 60, (len(rows), 32, 32, 5), dtype=np.uint8)
    items[[row.class_index == 0 for row in rows], ..., :3] += 150
    for split in SPLITS:
        np.save(folder / f"{split}.npy", items[[row.split == split for row in rows]])
    write_manifest(folder / "manifest.csv", rows)
    return folder


def job_of(tensors: Path, folder: Path, epochs: int, **changes: Any) -> ClassifierJob:
    given = {"dataset": "d", "architecture": "timm/test_resnet", "channels": "rgb", **changes}
    training = {"epochs": epochs, "batch_size": 8, "learning_rate": 0.01}
    config = Classifier.model_validate({**given, "training": training})
    workspace = Workspace(CPU, 0, folder / "scratch", folder / "checkpoints", lambda part, epoch: None)
    return ClassifierJob(config, CLASSES, ("well",), tensors, "0" * 64, workspace)


@pytest.fixture(scope="module")
def once(grouped: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ClassifierJob, TrainedClassifier]:
    """One training for all tests of rules: no rule changes it."""
    job = job_of(grouped, tmp_path_factory.mktemp("once"), epochs=6)
    return job, train_classifier(job)


def saved(
    once: Once,
    folder: Path,
    patients: Mapping[str, Any] | None,
    normal: tuple[str, ...] = ("well",),
) -> Path:
    job, networks = once
    rule = None if patients is None else Patients.model_validate(patients)
    job = replace(job, normal=normal, config=job.config.model_copy(update={"patients": rule}))
    model = folder / "model"
    model.mkdir()
    parts = {part: (one.model, one.spec) for part, one in networks.networks.items()}
    further = patient_files(job, networks)
    for part, one in networks.networks.items():
        further.setdefault(part, {}).update(one.files)
    together = Together(networks.rule, len(networks.judged), 12) if networks.rule else None
    save_classifier(model, "some", parts, networks.folds, {}, None, further, together)
    return model


def evaluated(model: Path, tensors: Path, folder: Path) -> Path:
    folder.mkdir()
    write_patients(folder, evaluate(model, tensors, "d", CPU), model, tensors, CPU)
    return folder


def test_a_patient_with_one_ill_image_is_found(once: Once, grouped: Path, tmp_path: Path) -> None:
    model = saved(once, tmp_path, {"rule": "noisy_or"})
    rule = read_rule(model)
    assert rule is not None and rule.fitted_on is not None
    assert (rule.fitted_on.source, rule.fitted_on.normal, rule.fitted_on.abnormal) == ("validation", 6, 6)
    assert "patients.json" in (model / "SHA256SUMS").read_text()

    clinical = tmp_path / "clinical"
    clinical.mkdir()
    one = write_patients(clinical, evaluate(model, grouped, "d", CPU), model, grouped, CPU)
    found = PatientEvaluation.read(clinical / "patients.json")
    assert (found.groups, found.abnormal, found.why) == (12, 6, "") and found.auc is not None
    assert one.details.patients is not None and one.details.patients["auc"].value == 1
    assert found.numbers is not None and one.details.patients.keys() == found.numbers.keys()
    assert one.details.plain["patients"]["auc"]["low"] == pytest.approx(found.auc.low, abs=1e-5)
    shown = one.headline.root
    assert shown["patient_auc"] == 1 and len(shown) <= MOST
    assert {"patient_sensitivity", "patient_specificity"} <= shown.keys()
    assert one.logged["patients.auc"] == 1
    assert found.auc.value == 1 and found.auc.low is not None
    rows = PatientAnswers.read(clinical / "patients.csv").rows
    assert [row.true for row in rows] == ["normal", "abnormal"] * 6
    assert all(row.telling[0].endswith("_1") for row in rows if row.true == "abnormal")
    assert (clinical / "patients.png").stat().st_size > 10_000


def test_attention_pooling_is_stored_read_and_gives_the_same_answers(once: Once, grouped: Path, tmp_path: Path) -> None:
    quick = {"rule": "abmil", "attention": {"epochs": 3, "restarts": 1, "hidden": 8}}
    model = saved(once, tmp_path, quick)
    clinical = evaluated(model, grouped, tmp_path / "clinical")
    found = PatientEvaluation.read(clinical / "patients.json")
    assert found.rule.rule == "abmil" and found.auc is not None and found.auc.value == 1
    predictor = Predictor.load(model, CPU)
    image = np.load(grouped / "test.npy")[0, ..., :3]
    (one,) = predictor([image])
    assert one.attention is not None and np.isfinite(one.attention).all()


def test_each_fold_has_a_rule_from_the_other_folds_and_the_ensemble_one_from_all(grouped: Path, tmp_path: Path) -> None:
    job = job_of(grouped, tmp_path, epochs=2, folds=2)
    model = saved((job, train_classifier(job)), tmp_path, {"rule": "max"})
    rules = [read_rule(model / part) for part in ("", "folds/0", "folds/1")]
    counts = [rule.fitted_on.groups for rule in rules if rule and rule.fitted_on]
    assert counts[0] == GROUPS and counts[1] + counts[2] == GROUPS
    found = PatientEvaluation.read(evaluated(model, grouped, tmp_path / "clinical") / "patients.json")
    assert len(found.rules) == 2 and found.groups == GROUPS
    assert Predictor.load(model, CPU).patients == rules[0]
    assert "patients.json" in (model / "SHA256SUMS").read_text()


def test_networks_of_several_seeds_have_a_rule_of_their_mean(grouped: Path, tmp_path: Path) -> None:
    job = job_of(grouped, tmp_path, epochs=2, seeds=2)
    networks = train_classifier(job)
    model = saved((job, networks), tmp_path, {"rule": "mean"})
    assert networks.rule is not None
    rows = load_split(grouped, "val")[1]
    scores = abnormality(calibrate(networks.rule, networks.judged), CLASSES, networks.rule.abnormal)
    ill = np.array([row.label == "ill" for row in rows])
    groups = Groups.of([row.group for row in rows])
    expected = fit_rule(Patients(rule="mean"), Held(groups, group_labels(ill, groups, "worst"), ill, Evidence(scores)))
    rule = Predictor.load(model, CPU).patients
    assert rule is not None and (rule.slope, rule.intercept) == (expected.slope, expected.intercept)
    found = PatientEvaluation.read(evaluated(model, grouped, tmp_path / "clinical") / "patients.json")
    assert found.groups == 12 and found.rule == rule


def test_attention_pooling_needs_one_network(grouped: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="leave seeds at 1"):
        job_of(grouped, tmp_path, epochs=1, seeds=2, patients={"rule": "abmil"})


def test_without_a_normal_class_there_is_no_rule_and_the_reason_is_said(
    once: Once, grouped: Path, tmp_path: Path
) -> None:
    model = saved(once, tmp_path, {"rule": "auto"}, ())
    clinical = evaluated(model, grouped, tmp_path / "clinical")
    assert [path.name for path in clinical.iterdir()] == ["patients.json"]
    assert PatientEvaluation.read(clinical / "patients.json").why == NO_NORMAL


def test_groups_of_both_kinds_without_a_label_leave_no_evaluation(once: Once, grouped: Path, tmp_path: Path) -> None:
    model = saved(once, tmp_path, {"rule": "mean", "label": "none"})
    found = PatientEvaluation.read(evaluated(model, grouped, tmp_path / "clinical") / "patients.json")
    assert found.left_out == 6 and found.auc is None and found.numbers is None
    assert found.why == (
        "all 6 test groups with a label are normal; 6 with images of both kinds have no label (label: none)"
    )


def test_a_classifier_without_rules_writes_nothing(once: Once, grouped: Path, tmp_path: Path) -> None:
    model = saved(once, tmp_path, None)
    one = evaluate(model, grouped, "d", CPU)
    assert write_patients(tmp_path, one, model, grouped, CPU) is one
    assert "patients" not in one.details.plain and not [name for name in one.headline.root if "patient" in name]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert not (model / "patients.json").exists()


def test_the_ensemble_of_attention_pooling_says_that_it_has_none() -> None:
    assert "name one of the folds" in NO_ENSEMBLE
