"""A synthetic finished project for the tests of the report: the results of all stages for two datasets, untrained.

`smear` has true masks, a failing audit, explanations and a hostile class name; `blood` has none of these, but a class
that is never predicted, and cross-validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from cytopipe import paths
from cytopipe.audit.findings import conclude, report
from cytopipe.core.io.atomic import write_bytes, write_text
from cytopipe.core.io.hashing import sha256_bytes
from cytopipe.core.io.tables import write_table
from cytopipe.core.params import Explain
from cytopipe.data.imaging.decode import encode_png
from cytopipe.data.imaging.masks import encode_mask
from cytopipe.data.manifest import Row, write_manifest
from cytopipe.evaluation.comparison.leaderboard import Entry, leaderboard
from cytopipe.evaluation.segmenter.distribution import segmenter_details
from cytopipe.explain.outputs import Explanations
from cytopipe.metrics.registry import of_task
from cytopipe.results.audit import Example
from cytopipe.results.classifier import ClassifierDetails
from cytopipe.results.dataset import DatasetSummary, Files, Size, Sizes, Torn, Unused
from cytopipe.results.explanations import Area, ExplainedImage, Randomisation, RandomOrder, Share
from cytopipe.results.headline import Headline
from cytopipe.results.history import History
from cytopipe.results.leaderboard import Leaderboard
from cytopipe.results.predictions import Prediction, Predictions
from cytopipe.results.screening import TELLING, THUMBNAILS
from cytopipe.results.segmenter import SegmenterPredictions
from cytopipe.results.tensors import Some, TensorsSummary
from cytopipe.screening.annotated import ScreeningResult
from made_fields import field, found, true
from made_results import classifier_details, guarantee_details

PRESET = Path(__file__).parent.parent / "workflow/presets/tiny.yaml"
SCRIPT = "<script>alert(1)</script>"
HOSTILE_ID = 'x"><img src=x onerror=alert(2)>'
CLASSES = {"smear": ("normal", "odd & old", SCRIPT), "blood": ("red", "white", "never")}
SPLITS = ("train", "train", "val", "test", "test", "test")  # of the images of a class
SIDE = 24
NONE = Some(count=0, first=None)
FILES = Files(images=18, masks=18, tables=1, left_out={"<i>no</i> image": Unused(count=2, first="a/notes.doc")})


def make_project(folder: Path) -> None:
    """Write the project into an empty folder."""
    values = yaml.safe_load(PRESET.read_text())
    data, unet = values["datasets"]["tiny"], values["segmenters"]["unet"]
    network = values["classifiers"]["resnet-rgb"]
    values["datasets"] = {
        "smear": data,
        "blood": {**data, "segmenter": "otsu", "source": {"kind": "archive", "path": "/somewhere/private/blood.zip"}},
    }
    values["segmenters"] = {
        "unet": {**unet, "dataset": "smear"},
        "otsu": {"dataset": "blood", "architecture": "otsu", "pretrained": "workflow/weights/none"},
    }
    values["classifiers"] = {
        "first": {**network, "dataset": "smear"},
        "second": {**network, "dataset": "smear"},
        "folded": {**network, "dataset": "blood", "folds": 2},
    }
    values["screenings"] = {"fields": {"dataset": "smear", "detector": "segmenters/unet", "classifier": "first"}}
    write_text(folder / paths.PARAMS, yaml.safe_dump(values, sort_keys=False))
    rows = {name: _organize(folder, name) for name in CLASSES}
    _segmenters(folder, rows["smear"])
    for place, name in enumerate(("first", "second")):
        _classifier(folder, name, [row for row in rows["smear"] if row.split == "test"], "smear", wrong=place + 1)
    _classifier(folder, "folded", rows["blood"], "blood", wrong=2)
    _audit(folder, rows["smear"])
    _explain(folder, rows["smear"])
    _screen(folder)
    _leaderboard(folder).write(folder / paths.LEADERBOARD_JSON)


def _organize(folder: Path, name: str) -> list[Row]:
    organized, masks = paths.Organized(name), paths.Masks(name)
    rng = np.random.default_rng(list(CLASSES).index(name))
    rows = []
    for index, label in enumerate(CLASSES[name]):
        for number, split in enumerate(SPLITS):
            identity = HOSTILE_ID if (name, index, number) == ("smear", 2, 5) else f"{name}_{index}_{number}"
            image = encode_png(rng.integers(0, 256, (SIDE, SIDE + 4, 3), dtype=np.uint8))
            path = f"{split}/{index}/{identity}.png"
            write_bytes(folder / organized.folder / path, image)
            mask_path = f"masks/{identity}.png" if name == "smear" else ""
            if mask_path:
                write_bytes(folder / organized.masks / f"{identity}.png", encode_mask(square(0)))
                write_bytes(folder / masks.predicted / f"{identity}.png", encode_mask(square(number)))
            size = (SIDE + 4, SIDE)
            rows.append(Row(identity, path, label, index, split, f"g{number}", *size, sha256_bytes(image), mask_path))
    rows.sort(key=lambda row: row.id)
    for manifest in (organized.manifest, masks.manifest):
        (folder / manifest).parent.mkdir(parents=True, exist_ok=True)
        write_manifest(folder / manifest, rows)
    _summary(name, rows).write(folder / organized.summary)
    padded = Some(count=3, first=rows[0].id) if name == "smear" else NONE
    squares = TensorsSummary(
        dataset=name, images=len(rows), image_size=SIDE, fit="stretch", padded=padded, cropped=NONE
    )
    squares.write(folder / paths.Tensors(name).summary)
    return rows


def square(shift: int) -> np.ndarray:
    """The mask of a cell of 12 x 12 pixels with a nucleus of 4 x 4, shifted to the right by `shift` pixels."""
    mask = np.zeros((SIDE, SIDE + 4), np.uint8)
    mask[6:18, 4 + shift : 16 + shift] = 1
    mask[10:14, 8 + shift : 12 + shift] = 2
    return mask


def _summary(name: str, rows: Sequence[Row]) -> DatasetSummary:
    counts = {
        split: {label: sum((row.split, row.label) == (split, label) for row in rows) for label in CLASSES[name]}
        for split in ("train", "val", "test")
    }
    size = Size(min=SIDE, median=SIDE, max=SIDE)
    return DatasetSummary(
        dataset=name,
        adapter="sipakmed",
        classes=CLASSES[name],
        normal=CLASSES[name][:1] if name == "smear" else (),
        excluded_classes=(),
        images=len(rows),
        masks=sum(bool(row.mask_path) for row in rows),
        split="grouped",
        counts=counts,
        groups={"train": 2, "val": 1, "test": 3},
        torn=Torn(groups=0, copies=0),
        size_px=Sizes(width=size, height=size),
        converted={},
        copies=(),
        refused=(),
        files=FILES if name == "smear" else None,
    )


def _model(folder: Path, trained: paths.Trained, part: str = "") -> None:
    write_text(folder / trained.model / part / "SHA256SUMS", f"{'ab' * 32}  weights.safetensors\n")


def _history(folder: Path, trained: paths.Trained, measure: str, epochs: Sequence[int] = (1, 2, 3)) -> None:
    rows = [
        {
            "epoch": epoch,
            "learning_rate": 0.01,
            "train_loss": 1 / epoch,
            f"train_{measure}": 1 - 0.5 / epoch,
            "val_loss": 1.2 / epoch,
            f"val_{measure}": 1 - 0.6 / epoch,
            "best": int(epoch == 3),
        }
        for epoch in epochs
    ]
    (folder / trained.training).mkdir(parents=True)
    History.of(rows).write(folder / trained.training / "history.csv")


def _segmenters(folder: Path, rows: Iterable[Row]) -> None:
    unet, otsu = paths.segmenter("unet"), paths.segmenter("otsu")
    scores = {**{metric.key: None for metric in of_task("segmentation")}, "hd95_cell": 2.0}
    overlaps = [
        {**scores, "id": row.id, "group": row.group, "dice_cell": 1 - place / 10, "dice_nucleus": 0.9 - place / 10}
        for place, row in enumerate(row for row in rows if row.split == "test")
    ]
    for trained, dataset, table in ((unet, "smear", overlaps), (otsu, "blood", [])):
        details = segmenter_details(dataset, table)
        details.write(folder / trained.details)
        Headline.of("segmentation", details).write(folder / trained.metrics)
        SegmenterPredictions.of(table).write(folder / trained.predictions)
        _model(folder, trained)
    _history(folder, unet, "dice")
    _history(folder, otsu, "dice", [])


def _classifier(folder: Path, name: str, rows: Sequence[Row], dataset: str, wrong: int) -> None:
    """A classifier that takes the first `wrong` images of a class for the class before; it never predicts `never`."""
    classes, files = CLASSES[dataset], paths.classifier(name)
    predictions = []
    for label in classes:
        for place, row in enumerate(one for one in rows if one.label == label):
            named = row.class_index if place >= wrong else (row.class_index - 1) % 3
            if dataset == "blood" and named == 2:
                named = 0
            shares = tuple(0.8 if index == named else 0.1 for index in range(3))
            about = {"id": row.id, "group": row.group, "label": label, "predicted": classes[named]}
            predictions.append(Prediction(**about, probabilities=shares))
    right = sum(one.correct for one in predictions) / len(predictions)
    details = classifier_details(right, classes, dataset == "smear", dataset=dataset, images=len(rows))
    details.write(folder / files.details)
    Headline.of("classification", details).write(folder / files.metrics)
    table = Predictions.of(classes, sorted(predictions, key=lambda one: one.id))
    table.write(folder / files.predictions)
    _history(folder, files, "accuracy")
    (table if dataset == "smear" else Predictions.of(classes, [])).write(folder / paths.validation(name))
    _model(folder, files, "folds/0" if dataset == "blood" else "")
    if dataset == "smear":
        _curves(folder / files.plots, classes)
        why = "a coverage of 90 % needs 9 groups to calibrate with, and there are 3"
        promised = guarantee_details(classes, "" if name == "first" else why)
        promised.write(folder / files.clinical / paths.GUARANTEES)


def _curves(folder: Path, classes: Sequence[str]) -> None:
    grid = [0.0, 0.25, 0.5, 1.0]
    tables: dict[str, list[dict[str, object]]] = {
        "roc": [{"class": label, "fpr": x, "tpr": x**0.5} for label in classes for x in grid],
        "pr": [{"class": label, "recall": x, "precision": 1 - x / 2} for label in classes for x in grid],
        "reliability": [
            {"temperature": when, "confidence": x, "accuracy": x, "low": x / 2, "high": 1, "images": 3}
            for when in ("before", "after")
            for x in grid[1:]
        ],
        "coverage": [{"coverage": x, "accuracy": 1 - x / 4, "threshold": 0.5, "chosen": 0} for x in grid[1:]],
        "decision": [
            {"strategy": name, "threshold": x, "net_benefit": 0.3 - x / 2} for name in ("model", "all") for x in grid
        ],
    }
    tables["coverage"].append({**tables["coverage"][1], "chosen": 1})
    folder.mkdir(parents=True)
    for name, rows in tables.items():
        write_table(folder / f"{name}.csv", rows)


def _audit(folder: Path, rows: Sequence[Row]) -> None:
    files = paths.Audit("smear")
    write_bytes(folder / files.figures / "size.png", encode_png(np.full((40, 60, 3), 200, np.uint8)))
    near = Example(ids=(rows[0].id, rows[1].id), splits=("train", "test"), distance=2)
    text = "What was done."
    alone = conclude("image_statistics", "skipped", "One size alone", text)
    findings = [
        conclude("byte_duplicates", "ok", "No image stands twice", text),
        conclude("background_only", "fail", "Background alone tells the class", text, {"accuracy": 0.9, "auc": None}),
        conclude("near_duplicates", "warning", "Nearly equal images", text, examples=[near] * 6),
        alone.model_copy(update={"figure": "size.png"}),
    ]
    report("smear", "quick", rows, findings).write(folder / files.findings)


def _explain(folder: Path, rows: Sequence[Row]) -> None:
    files = paths.Explained("first")
    methods = ("integrated_gradients", "grad_cam")
    images = []
    for place, row in enumerate(row for row in rows if row.split == "test"):
        name, correct = f"{place}.png", bool(place % 2)
        write_bytes(folder / files.panels / name, encode_png(np.full((30, 90, 3), 20 * place, np.uint8)))
        predicted = row.label if correct else CLASSES["smear"][0]
        about = {"id": row.id, "label": row.label, "predicted": predicted, "correct": correct, "panel": name}
        images.append(ExplainedImage(**about, probability=0.8, shares=None))
    regions = {region: Share(mean=1 / 3, low=0.2, high=0.5) for region in ("nucleus", "cytoplasm", "background")}
    effort = Explain(images=0, steps=5, baselines=2)
    nothing = Explanations.nothing({"classifier": "second", "dataset": "smear"}, effort).details
    nothing.write(folder / paths.Explained("second").summary)
    changes = {
        "classifier": "first",
        "methods": methods,
        "images": tuple(images),
        "shares": {label: dict.fromkeys(methods, regions) for label in CLASSES["smear"]},
        "area_shares": dict.fromkeys(CLASSES["smear"], regions),
        "deletion": dict.fromkeys(methods, Area(auc=0.3, low=None, high=None)),
        "insertion": dict.fromkeys(methods, Area(auc=None, low=None, high=None)),
        "random": RandomOrder(deletion_auc=0.5, insertion_auc=0.5),
        "randomisation": {
            "integrated_gradients": Randomisation(correlation=0.1, passed=True),
            "grad_cam": Randomisation(correlation=0.9, passed=False),
        },
    }
    nothing.model_copy(update=changes).write(folder / files.summary)


def _screen(folder: Path) -> None:
    files = paths.Screened("fields")
    cells = [true(20, 20, 20, "normal"), true(90, 20, 20, "odd & old")]
    detections = [
        replace(found(20, 20, 20, "normal"), confidence=0.9, abnormal=0.1),
        replace(found(0, 90, 20), confidence=0.6, abnormal=0.6),
    ]
    fields = [
        field([true(20, 20, 20, SCRIPT)], [], "worst", "g1"),
        field(cells, detections, "median", "median"),
        field(cells, [*detections, found(90, 20, 20, "normal")], "best", "best"),
    ]
    thumbnails, cut_outs = files.figures / THUMBNAILS, files.figures / TELLING
    for name in (files.plots, thumbnails, cut_outs):
        (folder / name).mkdir(parents=True)
    write_bytes(folder / "field.png", encode_png(np.full((200, 300, 3), 99, np.uint8)))
    result = ScreeningResult(fields, [folder / "field.png"] * len(fields), CLASSES["smear"])
    result.write_tables(folder / files.detections, folder / files.fields)
    result.write_plots(folder / files.plots)
    result.write_figures(folder / files.figures)
    result.write_thumbnails(folder / thumbnails, folder / cut_outs)
    result.details.write(folder / files.details)
    Headline.of("screening", result.details).write(folder / files.metrics)


def _leaderboard(folder: Path) -> Leaderboard:
    """The rankings of the classifiers; the difference between `first` and `second` counts as resolved."""
    entries = []
    settings: dict[str, dict[str, int]] = {"first": {}, "second": {}, "folded": {"folds": 2}}
    for name in settings:
        files = paths.classifier(name)
        details = ClassifierDetails.read(folder / files.details)
        test, validation = (Predictions.read(folder / path) for path in (files.predictions, paths.validation(name)))
        entries.append(Entry(name, settings[name], details, test, validation))
    rankings = leaderboard(entries).root
    smear = rankings["smear"]
    resolved = {
        "pairs": tuple(pair.model_copy(update={"resolved": True}) for pair in smear.pairs),
        "equals": (("first",), ("second",)),
    }
    return Leaderboard({**rankings, "smear": smear.model_copy(update=resolved)})
