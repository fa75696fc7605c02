"""Evaluation of the answers for whole groups of test images: patients, slides or specimens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from cytopipe.data.tensors import load_all, load_split
from cytopipe.evaluation.classifier.evaluate import Evaluation
from cytopipe.metrics.patient_scores import measure_groups
from cytopipe.metrics.patients import UNKNOWN, Groups, group_labels
from cytopipe.metrics.plotting.patient_figures import patient_figure
from cytopipe.models.attention_pooling import GatedAttention, attention_inputs
from cytopipe.models.decision_rule import abnormality, rule_of
from cytopipe.models.folder import load_model
from cytopipe.models.folds import Folds
from cytopipe.models.inference.classify import input_transform, probabilities_and_features
from cytopipe.models.patients import Evidence, answer, read_rule
from cytopipe.results.numbers import Estimate
from cytopipe.results.patients import (
    ANSWERS,
    EVALUATION,
    FIGURE,
    WEIGHTS,
    Decision,
    GroupConfusion,
    PatientAnswer,
    PatientAnswers,
    PatientEvaluation,
    PatientRule,
)

NAMES: dict[int, Decision] = {1: "abnormal", 0: "normal", UNKNOWN: ""}


def write_patients(
    folder: Path, one: Evaluation, model_folder: Path, tensors: Path, device: torch.device
) -> Evaluation:
    """Write patients.json, patients.csv and patients.png; nothing for a classifier without rules for groups.

    Args:
        folder: existing folder for the files.
        one: the predictions of the test images.
        model_folder: folder of a network, or of one network per fold.
        tensors: folder of the dataset's arrays.
        device: device of the computation.

    Returns:
        The evaluation, with the numbers per patient among its details.
    """
    parts = list(Folds.read(model_folder).parts())
    rules = [rule for part in parts if (rule := read_rule(model_folder / part))]
    if len(rules) != len(parts):
        return one
    wanted = rules[0].specificity
    if why := next((rule.why for rule in rules if rule.rule is None), ""):
        PatientEvaluation(rules=tuple(rules), wanted_specificity=wanted, why=why).write(folder / EVALUATION)
        return one
    answers = answers_for(one, rules, _attention(one, rules, model_folder, parts, tensors, device))
    answers.write(folder / ANSWERS)
    found = evaluate_answers(answers, rules)
    found.write(folder / EVALUATION)
    known = [row for row in answers.rows if row.true]
    odds, abnormal = (
        np.array([row.log_odds for row in known]),
        np.array([row.true == "abnormal" for row in known], bool),
    )
    threshold = rules[0].threshold if len(rules) == 1 else None
    patient_figure(folder / FIGURE, odds, abnormal, threshold, wanted)
    return replace(one, details=one.details.model_copy(update={"patients": found.numbers}))


def answers_for(one: Evaluation, rules: list[PatientRule], attention: np.ndarray | None) -> PatientAnswers:
    """The answer for each group of test images, by the rule of the network that tested it.

    Args:
        one: the predictions of the test images.
        rules: the rule of each network.
        attention: N x 2 energies and values, for attention pooling.
    """
    abnormal_names = one.decisions[0].abnormal
    scores = abnormality(one.calibrated, one.classes, abnormal_names)
    truth = np.isin(np.asarray(one.classes)[one.truth], abnormal_names)
    rows = []
    for number, rule in enumerate(rules):
        mine = np.flatnonzero(one.part == number)
        images = [one.rows[index] for index in mine.tolist()]
        groups = Groups.of([row.group for row in images])
        labels = group_labels(truth[mine], groups, rule.label)
        found = answer(rule, groups, Evidence(scores, attention).of(mine))
        for place, name in enumerate(groups.names):
            rows.append(
                PatientAnswer(
                    group=name,
                    true=NAMES[int(labels[place])],
                    score=float(found.scores[place]),
                    log_odds=float(found.odds[place]),
                    predicted=found.decisions[place],
                    images=int(groups.sizes[place]),
                    telling=tuple(images[index].id for index in found.telling[place]),
                )
            )
    return PatientAnswers(rows=tuple(sorted(rows, key=lambda row: row.group)))


def evaluate_answers(answers: PatientAnswers, rules: list[PatientRule]) -> PatientEvaluation:
    """Numbers of the answers, with intervals over the groups that have a label."""
    known = [row for row in answers.rows if row.true]
    left_out = len(answers.rows) - len(known)
    base = {"rules": tuple(rules), "wanted_specificity": rules[0].specificity, "left_out": left_out}
    abnormal = np.array([row.true == "abnormal" for row in known], bool)
    counts = {"groups": len(known), "abnormal": int(abnormal.sum())}
    if not known or abnormal.all() or not abnormal.any():
        kind = "normal" if not abnormal.any() else "abnormal"
        left = f"; {left_out} with images of both kinds have no label" if left_out else ""
        why = f"all {len(known)} test groups with a label are {kind}{left}" if known else f"no test group has one{left}"
        return PatientEvaluation(**base, **counts, why=f"{why} (label: {rules[0].label})")
    odds = np.array([row.log_odds for row in known])
    decided = all(row.predicted for row in known)
    called = np.array([row.predicted == "abnormal" for row in known]) if decided else None
    found = Estimate.of_all(measure_groups(odds, abnormal, called))
    return PatientEvaluation(**base, **counts, **found, confusion=_confusion(abnormal, called))


def _confusion(abnormal: np.ndarray, called: np.ndarray | None) -> GroupConfusion | None:
    if called is None:
        return None
    return GroupConfusion(
        abnormal_called_abnormal=int((abnormal & called).sum()),
        abnormal_called_normal=int((abnormal & ~called).sum()),
        normal_called_abnormal=int((~abnormal & called).sum()),
        normal_called_normal=int((~abnormal & ~called).sum()),
    )


def _attention(
    one: Evaluation,
    rules: list[PatientRule],
    model_folder: Path,
    parts: list[str],
    tensors: Path,
    device: torch.device,
) -> np.ndarray | None:
    """N x 2 energies and values of the test images; None where no rule attends to images."""
    if rules[0].rule != "abmil":
        return None
    found = np.zeros((len(one.rows), 2))
    items = load_all(tensors)[0] if len(parts) > 1 else None
    for number, part in enumerate(parts):
        model, spec = load_model(model_folder / part, device)
        mine = np.flatnonzero(one.part == number)
        seen = load_split(tensors, "test")[0] if items is None else items.take(mine)
        predicted = probabilities_and_features(model, input_transform(spec, device), seen, tta=spec.tta)
        inputs = attention_inputs(*predicted, rule_of(spec), spec.classes)
        found[mine] = GatedAttention.load(model_folder / part / WEIGHTS).attend(inputs)
    return found
