"""Charts of the report, drawn from the tables that the stages wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from cytopipe import paths
from cytopipe.report.charts import Axis, Point, Series, chart, series_style
from cytopipe.report.explained import method_name
from cytopipe.report.read import ClassifierResults, ScreeningResults, SegmenterResults, history, plot_table
from cytopipe.report.render import percent
from cytopipe.results.history import History, TrainedEpoch
from cytopipe.results.tables import Line

_PERTURBATIONS = {
    "deletion": "The most important pixels are removed first; a faster drop is better.",
    "insertion": "The most important pixels are inserted first; a faster rise is better.",
}
DIAGONAL: tuple[Point, Point] = ((0.0, 0.0), (1.0, 1.0))


@dataclass(frozen=True)
class Key:
    """An entry of a legend: the label of a line style."""

    label: str
    style: str


@dataclass(frozen=True)
class Curve:
    """A chart with its title, a sentence on how to read it, and its legend, which may be empty."""

    title: str
    text: str
    svg: Markup
    keys: Sequence[Key] = field(default=())


def class_keys(classes: Sequence[str]) -> list[Key]:
    """The legend shared by all charts with one line per class."""
    return [Key(label, series_style(index)) for index, label in enumerate(classes)]


def training_curves(history: History, measure: str) -> list[Curve]:
    """Loss and another measure by epoch, with the kept epoch marked; no curves without training."""
    return [_training_curve(history.epochs, name) for name in ("loss", measure) if history.epochs]


def _training_curve(epochs: Sequence[TrainedEpoch], name: str) -> Curve:
    train, validation = ([(one.epoch, one.measures[f"{split}_{name}"]) for one in epochs] for split in ("train", "val"))
    kept: list[Point] = [(one.epoch, one.measures[f"val_{name}"]) for one in epochs if one.best]
    values = [value for _, value in [*train, *validation]]
    across = Axis("epoch", epochs[0].epoch, epochs[-1].epoch)
    # The axis of a loss starts at 0, that of a share slightly below the lowest value.
    up = Axis(name, 0.0, max(values)) if name == "loss" else Axis(name, max(0.0, min(values) - 0.05))
    lines = [Series(train, "train"), Series(validation, "val"), Series(kept, "best", marks=True)]
    text = " ".join(f"Kept: epoch {epoch:g}, {value:.3f} on validation." for epoch, value in kept)
    keys = (Key("training", "train"), Key("validation", "val"))
    title = "Dice" if name == "dice" else name.capitalize()
    return Curve(f"{title} by epoch", text, chart(f"{name} by epoch", across, up, lines), keys)


def classifier_curves(one: ClassifierResults) -> list[Curve]:
    """Every curve whose table exists and has rows."""
    found = (_DRAWN[name](plot_table(one.files.plots / f"{name}.csv"), one) for name in _DRAWN)
    return [curve for curve in found if curve]


def classifier_training(one: ClassifierResults) -> list[Curve]:
    """Loss and accuracy of a classifier by epoch."""
    return training_curves(history(one.files), "accuracy")


def perturbation_curves(one: ClassifierResults) -> list[Curve]:
    """Deletion and insertion curves: the probability as the most important pixels are deleted or inserted."""
    found = []
    for kind, text in _PERTURBATIONS.items():
        methods = _by(plot_table(paths.Explained(one.name).plots / f"{kind}.csv"), "method")
        if not methods:
            continue
        styles = {name: "guide-line" if name == "random" else series_style(i) for i, name in enumerate(methods)}
        lines = [Series(_points(mine, "fraction", "probability"), styles[name]) for name, mine in methods.items()]
        svg = chart(kind, Axis("share of pixels"), Axis("probability"), lines)
        found.append(Curve(kind.capitalize(), text, svg, [Key(method_name(name), styles[name]) for name in methods]))
    return found


def segmenter_curves(one: SegmenterResults) -> list[Curve]:
    """Loss and Dice of a segmenter by epoch, and the distribution of Dice over the test images."""
    training = training_curves(history(one.files), "dice")
    spread = [row for row in plot_table(one.files.plots / "distribution.csv") if row["measure"] == "dice"]
    return [*training, *([_spread(spread)] if spread else [])]


def screening_curves(one: ScreeningResults) -> list[Curve]:
    """Precision by recall over the detector's score, and found against annotated cells of each field."""
    rows = _by(plot_table(one.files.plots / "precision_recall.csv"), "overlap")
    found = []
    if rows:
        lines = [
            Series(_points(mine, "recall", "precision"), series_style(place))
            for place, mine in enumerate(rows.values())
        ]
        svg = chart("precision by recall of found cells", Axis("recall"), Axis("precision"), lines)
        keys = [Key(kind, series_style(place)) for place, kind in enumerate(rows)]
        found.append(Curve("Detection", "From the highest scores only to all detections.", svg, keys))
    if counts := _points(plot_table(one.files.plots / "counts.csv"), "true", "found"):
        most = 1.05 * max(max(point) for point in counts) + 1
        # One series per point draws dots without a line.
        dots = [Series([point], "model", marks=True) for point in dict.fromkeys(counts)]
        text = "Each dot stands for the fields with these counts; on the diagonal the count is right."
        svg = chart(
            "found by annotated cells",
            Axis("annotated", 0, most),
            Axis("found", 0, most),
            dots,
            [((0, 0), (most, most))],
        )
        found.append(Curve("Cells per field", text, svg))
    return found


def _points(rows: list[Line], x: str, y: str) -> list[Point]:
    return [(float(row[x]), float(row[y])) for row in rows if row.get(x) and row.get(y)]


def _by(rows: list[Line], column: str) -> dict[str, list[Line]]:
    groups: dict[str, list[Line]] = {}
    for row in rows:
        groups.setdefault(row[column], []).append(row)
    return groups


def _of_classes(rows: list[Line], one: ClassifierResults, x: str, y: str) -> tuple[list[Series], list[Key]]:
    """A line per class; other problems, such as abnormal against normal, have their own style and legend."""
    lines, keys = [], []
    for label, mine in _by(rows, "class").items():
        style = series_style(one.classes.index(label)) if label in one.classes else "question"
        lines.append(Series(_points(mine, x, y), style, label))
        if style == "question":
            keys.append(Key(label, style))
    return lines, keys


def _roc(rows: list[Line], one: ClassifierResults) -> Curve | None:
    if not rows:
        return None
    lines, keys = _of_classes(rows, one, "fpr", "tpr")
    svg = chart("ROC curves", Axis("false positive rate"), Axis("true positive rate"), lines, [DIAGONAL])
    return Curve("ROC", "Each class against the rest; the diagonal is chance.", svg, keys)


def _pr(rows: list[Line], one: ClassifierResults) -> Curve | None:
    if not rows:
        return None
    lines, keys = _of_classes(rows, one, "recall", "precision")
    svg = chart("precision by recall", Axis("recall"), Axis("precision"), lines)
    return Curve("Precision and recall", "Each class against the rest.", svg, keys)


def _spread(rows: list[Line]) -> Curve:
    parts = {part: _points(mine, "value", "share") for part, mine in _by(rows, "part").items()}
    low = min(value for points in parts.values() for value, _ in points)
    lines = [Series(points, series_style(index), part) for index, (part, points) in enumerate(parts.items())]
    svg = chart("Dice of the test images", Axis("Dice", max(0.0, low - 0.02)), Axis("share of images"), lines)
    keys = [Key(part, series_style(index)) for index, part in enumerate(parts)]
    return Curve("Distribution of Dice", "The share of test images with at most this Dice.", svg, keys)


def _reliability(rows: list[Line], one: ClassifierResults) -> Curve | None:
    if not rows:
        return None
    lines = [
        Series(
            _points(mine, "confidence", "accuracy"),
            name,
            marks=True,
            ranges=[
                (float(row["confidence"]), float(row["low"]), float(row["high"]))
                for row in mine
                if row.get("low") and row.get("high")
            ],
        )
        for name, mine in _by(rows, "temperature").items()
    ]
    svg = chart("reliability", Axis("confidence"), Axis("accuracy"), lines, [DIAGONAL])
    keys = (Key("before", "before"), Key("after", "after"))
    return Curve(
        "Reliability", "Before and after calibration; well calibrated confidences are on the diagonal.", svg, keys
    )


def _coverage(rows: list[Line], one: ClassifierResults) -> Curve | None:
    curve = [row for row in rows if row.get("chosen", "0") != "1"]
    if not curve:
        return None
    chosen = _points([row for row in rows if row.get("chosen") == "1"], "coverage", "accuracy")
    points = _points(curve, "coverage", "accuracy")
    wanted = 1 - one.details.selective.wanted_error
    low = min(value for _, value in [*points, *chosen, (1.0, wanted)])
    axis = Axis("accuracy", max(0.0, low - 0.1), 1.0)
    lines = [Series(points, "model"), *(Series([point], "best", marks=True) for point in chosen)]
    svg = chart("accuracy by coverage", Axis("share of images kept"), axis, lines, [((0.0, wanted), (1.0, wanted))])
    keys = [Key("chosen on validation", "best")] if chosen else []
    text = f"Most confident images first; the line is the wanted accuracy, {percent(wanted)}."
    return Curve("Selective prediction", text, svg, keys)


def _decision(rows: list[Line], one: ClassifierResults) -> Curve | None:
    if not rows:
        return None
    groups = {name: _points(mine, "threshold", "net_benefit") for name, mine in _by(rows, "strategy").items()}
    best = max(value for points in groups.values() for _, value in points)
    top = best or 0.1
    axis = Axis("net benefit", -0.15 * top, 1.08 * top)  # the curve of acting on all images falls without limit
    lines = [
        Series([point for point in points if point[1] >= axis.low], f"act-{name}") for name, points in groups.items()
    ]
    svg = chart("net benefit by threshold", Axis("threshold probability"), axis, lines)
    names = {"model": "as the model says", "all": "on every image", "none": "on none"}
    keys = [Key(names.get(name, name), f"act-{name}") for name in groups]
    return Curve("Decision curve", "Net benefit of acting on images called abnormal.", svg, keys)


_DRAWN: dict[str, Callable[[list[Line], ClassifierResults], Curve | None]] = {
    "roc": _roc,
    "pr": _pr,
    "reliability": _reliability,
    "coverage": _coverage,
    "decision": _decision,
}
