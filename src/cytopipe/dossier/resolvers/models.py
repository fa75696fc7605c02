"""Facts of the models: networks, first weights, training, selection, combination, outputs."""

from __future__ import annotations

from cytopipe.core.params import HUB_WEIGHTS, PACKAGE_WEIGHTS, RANDOM_WEIGHTS
from cytopipe.dossier.facts import Fact, Source
from cytopipe.dossier.project import Project, details, summary
from cytopipe.dossier.resolvers.registry import Facts, resolver
from cytopipe.dossier.words import shown
from cytopipe.report.read import ClassifierResults, SegmenterResults, history

Model = ClassifierResults | SegmenterResults
TRAINING = {
    "loss": "loss", "optimiser": "optimizer", "learning rate": "learning_rate", "weight decay": "weight_decay",
    "scheduler": "scheduler", "warm-up epochs": "warmup_epochs", "most epochs": "epochs", "batch size": "batch_size",
    "early stopping, epochs": "early_stopping", "class weights": "class_weights",
    "label smoothing": "label_smoothing", "largest gradient norm": "gradient_clip", "seed": "seed",
}  # fmt: skip


def section(one: Model) -> str:
    """The section of params.yaml that a model stands in."""
    return "classifiers" if isinstance(one, ClassifierResults) else "segmenters"


def models(project: Project) -> list[Model]:
    """Segmenters, then classifiers."""
    return [*project.segmenters, *project.classifiers]


@resolver
def kinds(project: Project) -> Facts:
    """Kinds of models."""
    for _, spec in project.specs():
        yield from spec.all({"task": ("task",), "architecture": ("architecture",)})


@resolver
def architecture(project: Project) -> Facts:
    """The networks."""
    for one, spec in project.specs():
        labels = {"task": "task", "architecture": "architecture", "arguments": "arguments", "head": "head"}
        yield from spec.all({label: (key,) for label, key in labels.items()})
        yield from spec.all({"input, pixels": ("network_size",), "images, pixels": ("input_size",)})
        yield from spec.all({"channels": ("channels",), "outputs": ("classes",)})
        if isinstance(one, ClassifierResults):
            yield from details(one).fact("parameters", "parameters")


@resolver
def initialisation(project: Project) -> Facts:
    """The first weights."""
    for one in models(project):
        known = {
            RANDOM_WEIGHTS: "random weights",
            HUB_WEIGHTS: "weights of timm's hub",
            PACKAGE_WEIGHTS: "ImageNet weights of an installed package",
        }
        start = one.config.pretrained
        text = known.get(start) or (f"weights of {start}" if not start.is_absolute() else f"weights of {start.name}")
        yield from project.parameter(one.name, "starts from", section(one), one.name, "pretrained", text=text)
        yield from project.parameters(one.name, (section(one), one.name), {"seed": "training.seed"})
        if isinstance(one, ClassifierResults):
            yield from project.parameter(one.name, "only the head trained", section(one), one.name, "freeze")


@resolver
def training(project: Project) -> Facts:
    """Training."""
    for one in models(project):
        if one.config.training:
            start = (section(one), one.name, "training")
            yield from project.parameters(one.name, start, TRAINING)
            used = {name: value for name, value in one.config.training.augment.model_dump().items() if value}
            used.pop("blur_kernel" if not used.get("blur") else "", None)
            yield from project.parameter(one.name, "augmentation", *start, "augment", text=shown(used))


@resolver
def selection(project: Project) -> Facts:
    """The weights that were kept."""
    for one in models(project):
        yield from _epochs(one)
        if isinstance(one, ClassifierResults):
            yield from project.parameter(one.name, "trained again on all", section(one), one.name, "refit")
    yield from _chosen(project)


def _epochs(one: Model) -> list[Fact]:
    epochs = history(one.files).epochs
    if not epochs:
        return []
    file = Source(one.name, one.files.training / "history.csv", None)
    best = [epoch.epoch for epoch in epochs if epoch.best]
    kept = f"{best[-1]}, by the validation images" if best else "the last"
    return [
        *file.counted("epochs trained", len(epochs), "epoch"),
        *file.counted("epoch kept", best[-1] if best else None, "epoch", "best", text=kept),
    ]


def _chosen(project: Project) -> Facts:
    for title, ranking in project.results.leaderboard.root.items():
        if ranking.chosen and ranking.chosen.name in project.results.classifiers:
            board = project.leaderboard
            text = f"{ranking.chosen.name}: {ranking.chosen.reason}"
            yield from Source(title, board.file, board.content).fact(
                "chosen on validation images", title, "chosen", "reason", text=text
            )


@resolver
def ensembling(project: Project) -> Facts:
    """Networks that are combined."""
    for one in project.classifiers:
        labels = {"folds": "folds", "seeds": "seeds", "test-time augmentation": "tta"}
        yield from project.parameters(one.name, ("classifiers", one.name), labels)


@resolver
def imbalance(project: Project) -> Facts:
    """Classes of unequal size."""
    for one in project.classifiers:
        start = ("classifiers", one.name, "training")
        yield from project.parameters(one.name, start, {"class weights": "class_weights", "loss": "loss"})
    for dataset in project.datasets:
        if counts := dataset.summary.counts.get("train"):
            text = f"{min(counts.values())} to {max(counts.values())}"
            yield from summary(dataset).fact("training images of a class", "counts", "train", text=text)


@resolver
def segmentation_use(project: Project) -> Facts:
    """Masks that choose the pixels of a cell."""
    for one in project.datasets:
        used = [
            model.name
            for model in project.classifiers
            if model.config.dataset == one.name and model.config.channels != "rgb"
        ]
        text = f"{one.config.segmenter}, predicted in every split; seen by {shown(used)}"
        yield from project.parameter(one.name, "masks of", "datasets", one.name, "segmenter", text=text)
    for model in project.segmenters:
        yield from project.parameter(model.name, "folds of its training images", "segmenters", model.name, "cross_fit")


@resolver
def output(project: Project) -> Facts:
    """What the model gives, and its thresholds."""
    for one, spec in project.specs():
        if isinstance(one, ClassifierResults):
            yield from spec.fact("probabilities of", "classes")
            rule = {"temperature": "temperature", "answers under it are uncertain": "confidence_threshold"}
            yield from spec.all({label: ("decision_rule", key) for label, key in rule.items()})
            yield from spec.fact("abnormal classes", "decision_rule", "abnormal")
            thresholds = (spec.content.get("decision_rule") or {}).get("thresholds", ())
            text = ", ".join(f"{each['score']:.3g} for specificity {each['specificity']:g}" for each in thresholds)
            if text:
                yield from spec.fact(
                    "thresholds of abnormality, from validation", "decision_rule", "thresholds", text=text
                )


@resolver
def usage(project: Project) -> Facts:
    """How predictions are computed."""
    for one, spec in project.specs():
        if isinstance(one, ClassifierResults):
            folder = spec.file.parent.as_posix()
            yield Fact(
                one.name, "command", None, spec.file, (), f"cytopipe predict {folder} images/ --out predictions.csv"
            )
            yield from details(one).fact("identity of the model", "model")
