"""The files of a model folder that answer for whole groups of images; no rule sees a group that its test evaluates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cytopipe.core.io.atomic import round_floats
from cytopipe.core.params.patients import Patients
from cytopipe.data.manifest import Row
from cytopipe.data.tensors import Items, load_all, load_split
from cytopipe.metrics.patients import UNKNOWN, Groups, group_labels
from cytopipe.models.attention_pooling import GatedAttention, attention_inputs
from cytopipe.models.decision_rule import abnormality, calibrate, rule_of
from cytopipe.models.files import MAIN, fold_part
from cytopipe.models.inference.classify import input_transform, probabilities_and_features
from cytopipe.models.patients import Evidence
from cytopipe.results.model_spec import DecisionRule
from cytopipe.results.patients import RULE, WEIGHTS, PatientRule
from cytopipe.training.attention_pooling import Bags, fit_attention
from cytopipe.training.folds import draw_folds
from cytopipe.training.group_rules import Held, enough, fit_rule, too_few
from cytopipe.training.train_classifier import ClassifierJob, TrainedClassifier
from cytopipe.training.trained import Trained

Files = dict[str, bytes]  # content by name
NO_NORMAL = "the dataset names no class without disease, so that no group is normal or abnormal"
NO_ENSEMBLE = "attention pooling has weights for each fold: name one of the folds"


@dataclass(frozen=True)
class _Images:
    """Images in the order of the manifest, and their rows."""

    items: Items
    rows: Sequence[Row]

    @property
    def groups(self) -> Groups:
        return Groups.of([row.group for row in self.rows])

    def abnormal(self, normal: Sequence[str]) -> np.ndarray:
        return np.array([row.label not in normal for row in self.rows])


def patient_files(job: ClassifierJob, trained: TrainedClassifier) -> dict[str, Files]:
    """Fit the rules of a classifier, see `PatientRule`.

    A network of its own is fitted on the validation groups. The networks of folds have few of those: the rule of each
    is fitted on the out-of-fold predictions of the other folds, and that of their ensemble on all of them.

    Returns:
        Files by part of the model folder; none without `patients` in params.yaml.
    """
    config = job.config.patients
    if config is None:
        return {}
    if not job.normal:
        rule = PatientRule(rule=None, label=config.label, specificity=config.specificity, why=NO_NORMAL)
        return {part: {RULE: _json(rule)} for part in {MAIN, *trained.networks}}
    return _of_folds(config, job, trained) if trained.folds else _of_one(config, job, trained)


def _of_one(config: Patients, job: ClassifierJob, trained: TrainedClassifier) -> dict[str, Files]:
    network = trained.networks[MAIN]
    decision = trained.rule or rule_of(network.spec)  # several seeds answer by their mean, with a rule of its own
    train, validation = (_Images(*load_split(job.tensors, split)) for split in ("train", "val"))
    scores = _abnormality(decision, job, trained.judged)
    attention, why = _attention(config, job, network, train, validation)
    if why:
        return {MAIN: {RULE: _json(_none(config, why))}}
    seen = None if attention is None else _attended(attention, job, network, validation)
    abnormal = validation.abnormal(job.normal)
    labels = group_labels(abnormal, validation.groups, config.label)
    held = Held(validation.groups, labels, abnormal, Evidence(scores, seen))
    return {MAIN: _files(fit_rule(config, held), attention)}


def _of_folds(config: Patients, job: ClassifierJob, trained: TrainedClassifier) -> dict[str, Files]:
    items, rows = load_all(job.tensors)
    everything = _Images(items, rows)
    folds = draw_folds(rows, job.config.folds, job.config.training.seed, "classifiers.*.folds", job.leave_out)
    tested_by = np.zeros(len(rows), int)
    scores, seen = np.zeros(len(rows)), np.zeros((len(rows), 2))
    attentions: list[GatedAttention | None] = []
    for number, fold in enumerate(folds):
        network = trained.networks[fold_part(number)]
        train, validation, test = (
            _Images(items.take(part), [rows[index] for index in part])
            for part in (fold.train, fold.validation, fold.test)
        )
        tested_by[fold.test] = number
        scores[fold.test] = _abnormality(rule_of(network.spec), job, trained.judged[fold.test])
        attention, why = _attention(config, job, network, train, validation)
        if why:
            nothing = {RULE: _json(_none(config, why))}
            return dict.fromkeys((MAIN, *trained.networks), nothing)
        attentions.append(attention)
        if attention is not None:
            seen[fold.test] = _attended(attention, job, network, test)
    attended = seen if config.rule == "abmil" else None
    abnormal = everything.abnormal(job.normal)

    def fitted(chosen: np.ndarray, scores: np.ndarray) -> PatientRule:
        groups = Groups.of([rows[index].group for index in np.flatnonzero(chosen)])
        labels = group_labels(abnormal[chosen], groups, config.label)
        return fit_rule(
            config, Held(groups, labels, abnormal[chosen], Evidence(scores, attended).of(chosen), "out-of-fold")
        )

    files = {
        fold_part(number): _files(fitted(tested_by != number, scores), attention)
        for number, attention in enumerate(attentions)
    }
    if config.rule == "abmil":
        ensemble = _none(config, NO_ENSEMBLE)
    else:  # the mean of the networks is calibrated by a decision rule of its own
        assert trained.rule is not None, "several networks have a decision rule together"
        ensemble = fitted(np.ones(len(rows), bool), _abnormality(trained.rule, job, trained.judged))
    return {MAIN: {RULE: _json(ensemble)}, **files}


def _attention(
    config: Patients, job: ClassifierJob, network: Trained, train: _Images, validation: _Images
) -> tuple[GatedAttention | None, str]:
    """The attention pooling of a network, None for other rules; and the reason why it cannot be trained, or nothing."""
    if config.rule != "abmil":
        return None, ""
    bags = []
    for name, images in (("training", train), ("validation", validation)):
        labels = group_labels(images.abnormal(job.normal), images.groups, config.label)
        if not enough(labels):
            return None, too_few(name, labels)
        groups, kept = images.groups.only(labels != UNKNOWN)
        features = _features(job, network, images.items)[kept]
        bags.append(Bags(features, groups, labels[labels != UNKNOWN] == 1))
    return fit_attention(config.attention, *bags), ""


def _attended(attention: GatedAttention, job: ClassifierJob, network: Trained, images: _Images) -> np.ndarray:
    return attention.attend(_features(job, network, images.items))


def _features(job: ClassifierJob, network: Trained, items: Items) -> np.ndarray:
    spec = network.spec
    transform = input_transform(spec, job.workspace.device)
    seen = probabilities_and_features(network.model, transform, items, tta=spec.tta)
    return attention_inputs(*seen, rule_of(spec), spec.classes)


def _abnormality(rule: DecisionRule, job: ClassifierJob, probabilities: np.ndarray) -> np.ndarray:
    return abnormality(calibrate(rule, probabilities), job.classes, rule.abnormal)


def _none(config: Patients, why: str) -> PatientRule:
    return PatientRule(rule=None, label=config.label, specificity=config.specificity, why=why)


def _files(rule: PatientRule, attention: GatedAttention | None) -> Files:
    return {RULE: _json(rule), **({} if attention is None else {WEIGHTS: attention.save()})}


def _json(rule: PatientRule) -> bytes:
    return (json.dumps(round_floats(rule.plain), indent=2, ensure_ascii=False) + "\n").encode()
