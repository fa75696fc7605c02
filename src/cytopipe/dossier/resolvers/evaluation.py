"""Facts of the evaluation: metrics with intervals, calibration, operating points, failures, explanations."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np

from cytopipe import paths
from cytopipe.dossier.facts import Fact, Source
from cytopipe.dossier.project import Project, details, explanations, file_fact, predictions
from cytopipe.dossier.resolvers.registry import Facts, resolver
from cytopipe.dossier.words import difference, estimate, shown
from cytopipe.explain.names import TITLES
from cytopipe.metrics.registry import Task, of_task
from cytopipe.metrics.registry import shown as shown_metrics
from cytopipe.report.read import ClassifierResults, SegmenterResults


def _metrics(file: Source, task: Task) -> list[Fact]:
    """Every metric that the report shows, with its interval."""
    facts: list[Fact] = []
    for metric in shown_metrics(task):
        key = tuple(metric.place.split("."))
        found = file.fact(metric.name, *key)
        facts += file.fact(metric.name, *key, text=estimate(found[0].value, metric.digits)) if found else []
    return facts


@resolver
def tested(project: Project) -> Facts:
    """Test images."""
    models: list[ClassifierResults | SegmenterResults] = [*project.segmenters, *project.classifiers]
    for one in models:
        if one.details.images:
            yield from details(one).all({"test images": ("images",), "test groups": ("groups",)})


@resolver
def headline(project: Project) -> Facts:
    """The leading metric on test images."""
    leading = of_task("classification")[0]
    for one in project.classifiers:
        yield from details(one).fact(leading.name, *leading.place.split("."))


@resolver
def performance(project: Project) -> Facts:
    """Performance of the classifiers."""
    for one in project.classifiers:
        yield from _metrics(details(one), "classification")


@resolver
def segmentation(project: Project) -> Facts:
    """Performance of the segmenters."""
    for one in project.segmenters:
        yield from _metrics(details(one), "segmentation")


@resolver
def screening(project: Project) -> Facts:
    """Performance on whole fields."""
    for one in project.results.screenings.values():
        yield from _metrics(Source(one.name, one.files.details, one.details.plain), "screening")


@resolver
def definitions(project: Project) -> Facts:
    """The metrics and what they are."""
    screenings = list(project.results.screenings.values())
    files: dict[Task, list[Source]] = {
        "classification": [details(one) for one in project.classifiers[:1]],
        "segmentation": [details(one) for one in project.segmenters[:1]],
        "screening": [Source(one.name, one.files.details, one.details.plain) for one in screenings[:1]],
    }
    for task, (file,) in ((task, found) for task, found in files.items() if found):
        for metric in shown_metrics(task):
            for fact in file.fact("definition", *metric.place.split(".")):
                yield replace(fact, subject=metric.name, value=None, key=(), text=metric.definition)


@resolver
def uncertainty(project: Project) -> Facts:
    """How intervals are made."""
    for one in project.classifiers:
        file = details(one)
        yield from file.all({"level": ("intervals", "level"), "over": ("intervals", "unit")})
        yield from file.fact("fewest groups for an interval", "intervals", "least_groups")
        leading = of_task("classification")[0]
        yield from file.fact(f"method for {leading.name}", "intervals", "methods", leading.key)


@resolver
def comparisons(project: Project) -> Facts:
    """Comparisons of classifiers on the same test images."""
    for title, ranking in project.results.leaderboard.root.items():
        file = Source(title, paths.LEADERBOARD_JSON, project.leaderboard.content)
        for place, pair in enumerate(ranking.pairs):
            if {pair.first, pair.second} <= set(project.results.classifiers):
                interval = pair.interval.model_dump() if pair.interval else None
                p = "" if pair.p is None else f", p {pair.p:.3g} after Holm's correction"
                text = f"{difference(pair.accuracy_difference, interval)}{p}"
                subject = f"{pair.first} less {pair.second}"
                key = (title, "pairs", str(place), "accuracy_difference")
                yield from replace(file, subject=subject).fact("difference of accuracy", *key, text=text)


@resolver
def per_class(project: Project) -> Facts:
    """Each class."""
    for one in project.classifiers:
        for label in one.details.per_class:
            file = replace(details(one), subject=f"{one.name}, {label}")
            yield from file.all({name: ("per_class", label, name) for name in ("images", "recall", "precision", "f1")})


@resolver
def operating_points(project: Project) -> Facts:
    """Abnormal against normal, at thresholds chosen on validation images."""
    for one in project.classifiers:
        for place, point in enumerate(one.details.operating_points):
            file = replace(details(one), subject=f"{one.name}, at {point.wanted_specificity:g}")
            names = ("wanted_specificity", "sensitivity", "specificity")
            yield from file.all({name.replace("_", " "): ("operating_points", str(place), name) for name in names})


@resolver
def calibration(project: Project) -> Facts:
    """Calibration."""
    for one in project.classifiers:
        file = details(one)
        yield from file.fact("temperature, from validation images", "calibration", "temperature")
        for key, name in {"ece": "calibration error", "brier": "Brier score", "log_loss": "log loss"}.items():
            for when in ("before", "after"):
                yield from file.fact(f"{name} {when}", "calibration", when, key)


@resolver
def selective(project: Project) -> Facts:
    """Answers that the model leaves to a person."""
    for one in project.classifiers:
        labels = {"share answered": "coverage", "error of these": "error"}
        yield from details(one).all({label: ("selective", key) for label, key in labels.items()})


@resolver
def undefined(project: Project) -> Facts:
    """Numbers that are not defined."""
    for one in project.classifiers:
        for name, why in one.details.undefined.items():
            yield from details(one).fact(name.replace("_", " "), "undefined", name, text=why)


@resolver
def failures(project: Project) -> Facts:
    """Wrong answers."""
    for one in project.classifiers:
        wrong = Counter((row.label, row.predicted) for row in one.predictions if not row.correct)
        file, total = predictions(one), len(one.predictions)
        text = f"{sum(wrong.values())} of {total} images"
        yield from file.counted("wrong", sum(wrong.values()), "label", "predicted", text=text)
        if wrong:
            (truth, said), count = min(wrong.items(), key=lambda item: (-item[1], item[0]))
            text = f"{truth} taken for {said}: {count}"
            yield from file.counted("most frequent confusion", count, "label", "predicted", text=text)
        figure = one.files.figures / "confusion.png"
        yield from file_fact(one.name, "confusion matrix", figure, "the figure")
        yield from _explained_failures(one)


def _explained_failures(one: ClassifierResults) -> list[Fact]:
    file = explanations(one)
    if file is None or one.explanations is None:
        return []
    shown_wrong = sum(not image.correct for image in one.explanations.images)
    return file.fact("wrong answers drawn with explanations", "images", text=shown(shown_wrong))


@resolver
def by_group(project: Project) -> Facts:
    """Accuracy of single groups."""
    for one in project.classifiers:
        groups: dict[str, list[bool]] = defaultdict(list)
        for row in one.predictions:
            groups[row.group].append(row.correct)
        shares = np.array([np.mean(values) for values in groups.values()])
        if len(shares) > 1:
            low, middle, high = np.quantile(shares, [0, 0.5, 1])
            text = f"lowest {low:.3f}, median {middle:.3f}, highest {high:.3f} of {len(shares)} groups"
            value = [round(float(each), 6) for each in (low, middle, high)]
            yield from predictions(one).counted("accuracy by group", value, "group", "label", "predicted", text=text)


@resolver
def spread(project: Project) -> Facts:
    """Spread over folds or seeds."""
    for one in project.classifiers:
        for name, spreads in (("folds", one.details.folds), ("seeds", one.details.seeds)):
            found = spreads.metrics.get("accuracy") if spreads else None
            if spreads and found and found.mean is not None:
                text = f"{found.mean:.3f} ± {found.sd or 0:.3f} over {spreads.count} {name}"
                yield from details(one).fact(f"accuracy over {name}", name, "metrics", "accuracy", "mean", text=text)


@resolver
def internal(project: Project) -> Facts:
    """Validation against test."""
    for title, ranking in project.results.leaderboard.root.items():
        for place, row in enumerate(ranking.classifiers):
            if row.name in project.results.classifiers:
                file = Source(row.name, paths.LEADERBOARD_JSON, project.leaderboard.content)
                key = (title, "classifiers", str(place))
                yield from file.fact("accuracy on validation images", *key, "validation")
                yield from file.fact("accuracy on test images", *key, "metrics", "accuracy")


@resolver
def explainability(project: Project) -> Facts:
    """Explanations."""
    for one in project.classifiers:
        file = explanations(one)
        if file is None or one.explanations is None:
            continue
        names = [TITLES.get(method, method) for method in one.explanations.methods]
        yield from file.fact("methods", "methods", text=shown(names))
        yield from file.fact("images explained", "images", text=shown(len(one.explanations.images)))
        for method, found in (one.explanations.randomisation or {}).items():
            text = "passed" if found.passed else "failed: it shows the image, not the network"
            subject = f"{one.name}, {TITLES.get(method, method)}"
            key = ("randomisation", method, "passed")
            yield from replace(file, subject=subject).fact("test with random weights", *key, text=text)


@resolver
def figures(project: Project) -> Facts:
    """Figures of the test."""
    names = {"roc": "ROC", "pr": "precision-recall", "reliability": "reliability", "decision": "decision curve"}
    for one in project.classifiers:
        for name, title in names.items():
            yield from file_fact(one.name, title, one.files.figures / f"{name}.png", "the figure")
