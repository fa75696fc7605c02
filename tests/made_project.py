"""A finished project made by hand, as the stages leave it, for the tests of the report: two datasets, no training.

`smear` has true masks, an audit that fails, explanations and a hostile class; `blood` has none of them, a class that is
never predicted, and cross-validation.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import made_fields
from cytopipe import paths
from cytopipe.data.manifest import Row, write_manifest
from cytopipe.imaging.decode import encode_png
from cytopipe.imaging.masks import encode_mask
from cytopipe.io.atomic import write_bytes, write_json, write_text
from cytopipe.io.hashing import sha256_bytes
from cytopipe.io.tables import write_table
from cytopipe.screening.annotated import ScreeningResult

ROOT = Path(__file__).parent.parent
SCRIPT = "<script>alert(1)</script>"
HOSTILE_ID = 'x"><img src=x onerror=alert(2)>'
CLASSES = {"smear": ("normal", "odd & old", SCRIPT), "blood": ("red", "white", "never")}
SPLITS = ("train", "train", "val", "test", "test", "test")  # of the images of a class
SIDE = 24


def make_project(folder: Path) -> None:
    """Fill an empty folder."""
    values = yaml.safe_load((ROOT / "workflow/presets/tiny.yaml").read_text())
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
    write_json(folder / paths.LEADERBOARD_JSON, _leaderboard())


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
            has_mask = name == "smear"
            for target, shift in ((organized.masks, 0), (masks.predicted, number)):
                if has_mask:
                    write_bytes(folder / target / f"{identity}.png", encode_mask(square(shift)))
            size = (SIDE + 4, SIDE)
            mask_path = f"masks/{identity}.png" if has_mask else ""
            rows.append(Row(identity, path, label, index, split, f"g{number}", *size, sha256_bytes(image), mask_path))
    rows.sort(key=lambda row: row.id)
    for path in (organized.manifest, masks.manifest):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    write_manifest(folder / organized.manifest, rows)
    write_manifest(folder / masks.manifest, rows)
    write_json(folder / organized.summary, _summary(name, rows))
    return rows


def square(shift: int) -> np.ndarray:
    """A cell of 12 x 12 pixels with a nucleus of 4 x 4, moved to the right."""
    mask = np.zeros((SIDE, SIDE + 4), np.uint8)
    mask[6:18, 4 + shift : 16 + shift] = 1
    mask[10:14, 8 + shift : 12 + shift] = 2
    return mask


def _summary(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    counts = {
        split: {label: sum((row.split, row.label) == (split, label) for row in rows) for label in CLASSES[name]}
        for split in ("train", "val", "test")
    }
    size = {"min": SIDE, "median": SIDE, "max": SIDE}
    return {
        "dataset": name,
        "adapter": "sipakmed",
        "classes": CLASSES[name],
        "excluded_classes": [],
        "images": len(rows),
        "masks": sum(bool(row.mask_path) for row in rows),
        "split": "grouped",
        "counts": counts,
        "groups": {"train": 2, "val": 1, "test": 3},
        "torn": {"groups": 0, "copies": 0},
        "size_px": {"width": size, "height": size},
        "converted": {},
        "copies": [],
        "refused": [],
    }


def _model(folder: Path, trained: paths.Trained, part: str = "") -> None:
    write_text(folder / trained.model / part / "SHA256SUMS", f"{'ab' * 32}  weights.safetensors\n")


def _history(folder: Path, trained: paths.Trained, measure: str) -> None:
    rows = [
        {
            "epoch": epoch,
            "train_loss": 1 / epoch,
            f"train_{measure}": 1 - 0.5 / epoch,
            "val_loss": 1.2 / epoch,
            f"val_{measure}": 1 - 0.6 / epoch,
            "best": int(epoch == 3),
        }
        for epoch in (1, 2, 3)
    ]
    _table(folder / trained.training / "history.csv", rows)


def _table(path: Path, rows: Sequence[Mapping[str, object]], columns: Sequence[str] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(path, rows, columns)


def _segmenters(folder: Path, rows: Iterable[Row]) -> None:
    unet, otsu = paths.segmenter("unet"), paths.segmenter("otsu")
    test = [row for row in rows if row.split == "test"]
    overlaps = [
        {
            "id": row.id,
            "group": row.group,
            "dice_cell": 1 - place / 10,
            "dice_nucleus": 0.9 - place / 10,
            "hd95_cell": 2.0,
            "hd95_nucleus": "",
        }
        for place, row in enumerate(test)
    ]
    limits = {"low": 0.5, "high": 0.7}
    means = {"dice_cell": 0.6, "dice_nucleus": 0.5, "dice_cytoplasm": None, "hd95_cell": 2.0}
    _table(folder / unet.predictions, overlaps)
    write_json(folder / unet.metrics, {**means, "interval": {"dice_cell": limits}, "images": len(test), "groups": 3})
    _table(folder / otsu.predictions, [], ["id"])
    write_json(folder / otsu.metrics, {"dice_cell": None, "images": 0, "groups": 0})
    for trained in (unet, otsu):
        _model(folder, trained)
    _history(folder, unet, "dice")
    _table(folder / otsu.training / "history.csv", [], ["epoch"])


def _classifier(folder: Path, name: str, rows: Sequence[Row], dataset: str, wrong: int) -> None:
    """Wrong on the first images of each class, which pass for the class before; `never` is never predicted."""
    classes = CLASSES[dataset]
    files = paths.classifier(name)
    predictions = []
    for label in classes:
        for place, row in enumerate(one for one in rows if one.label == label):
            named = row.class_index if place >= wrong else (row.class_index - 1) % 3
            if dataset == "blood" and named == 2:
                named = 0
            shares = [0.1, 0.1, 0.1]
            shares[named] = 0.8
            scores = {f"p_{one}": share for one, share in zip(classes, shares, strict=True)}
            about = {"id": row.id, "group": row.group, "label": label, "predicted": classes[named]}
            predictions.append({**about, **scores})
    _table(folder / files.predictions, sorted(predictions, key=lambda one: str(one["id"])))
    right = sum(one["label"] == one["predicted"] for one in predictions) / len(predictions)
    write_json(folder / files.metrics, metrics(right, len(rows), defined=dataset == "smear"))
    per_class = {
        label: {"precision": None if label == "never" else 0.5, "recall": 0.5, "f1": 0.5, "images": 3}
        for label in classes
    }
    write_json(
        folder / files.summary,
        {
            "dataset": dataset,
            "model": None if dataset == "blood" else "ab" * 6,
            "architecture": "timm/test_resnet",
            "channels": "rgb",
            "parameters": 12345,
            "test_sha256": "cd" * 32,
            "per_class": per_class,
        },
    )
    _history(folder, files, "accuracy")
    _model(folder, files, "folds/0" if dataset == "blood" else "")
    if dataset == "smear":
        _curves(folder / files.plots, classes)


def metrics(accuracy: float, images: int, defined: bool) -> dict[str, Any]:
    """metrics.json of a classifier; with nulls where not `defined`."""
    limits = {"low": max(0.0, accuracy - 0.1), "high": min(1.0, accuracy + 0.1)}
    errors = {"ece": 0.1, "brier": 0.4, "log_loss": 0.7}
    interval = {key: {"low": 0.05, "high": 0.8} for key in errors}
    content: dict[str, Any] = {
        "accuracy": accuracy,
        "balanced_accuracy": accuracy,
        "macro_f1": accuracy,
        "auc": 0.9 if defined else None,
        "interval": dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1"), limits)
        | {"auc": limits if defined else None},
        "images": images,
        "groups": 3,
        "calibration": {
            "temperature": [1.5] if defined else [1.5, 0.9],
            "before": {**errors, "interval": interval},
            "after": {**errors, "interval": dict.fromkeys(errors)},
        },
        "selective": {"wanted_error": 0.05, "coverage": 0.6, "error": 0.04 if defined else None, "aurc": 0.1},
        "operating_points": [
            {
                "wanted_specificity": 0.9,
                "sensitivity": 0.7,
                "sensitivity_interval": {"low": 0.6, "high": 0.8},
                "specificity": 0.9,
                "specificity_interval": None,
            }
        ]
        if defined
        else [],
    }
    if not defined:
        content["folds"] = {"accuracy": {"mean": 0.5, "sd": 0.1, "values": [0.4, 0.6]}}
    return content


def _curves(folder: Path, classes: Sequence[str]) -> None:
    grid = [0.0, 0.25, 0.5, 1.0]
    _table(folder / "roc.csv", [{"class": label, "fpr": x, "tpr": x**0.5} for label in classes for x in grid])
    _table(
        folder / "pr.csv", [{"class": label, "recall": x, "precision": 1 - x / 2} for label in classes for x in grid]
    )
    reliability = [
        {"temperature": when, "confidence": x, "accuracy": x, "low": x / 2, "high": 1, "images": 3}
        for when in ("before", "after")
        for x in grid[1:]
    ]
    _table(folder / "reliability.csv", reliability)
    coverage = [{"coverage": x, "accuracy": 1 - x / 4, "threshold": 0.5, "chosen": 0} for x in grid[1:]]
    _table(folder / "coverage.csv", [*coverage, {**coverage[1], "chosen": 1}])
    decision = [
        {"strategy": name, "threshold": x, "net_benefit": 0.3 - x / 2} for name in ("model", "all") for x in grid
    ]
    _table(folder / "decision.csv", decision)


def _audit(folder: Path, rows: Sequence[Row]) -> None:
    files = paths.Audit("smear")
    write_bytes(folder / files.figures / "size.png", encode_png(np.full((40, 60, 3), 200, np.uint8)))
    findings = [
        finding("byte_duplicates", "ok", "No image stands twice"),
        finding("background_only", "fail", "Background alone tells the class", numbers={"accuracy": 0.9, "auc": None}),
        finding(
            "near_duplicates",
            "warning",
            "Nearly equal images",
            examples=[{"ids": [rows[0].id, rows[1].id], "splits": ["train", "test"], "distance": 2}] * 6,
        ),
        finding("image_statistics", "skipped", "One size alone", figure="size.png"),
    ]
    content = {"dataset": "smear", "level": "quick", "images": {}, "verdict": "fail", "findings": findings}
    write_json(folder / files.findings, content)


def finding(check: str, verdict: str, title: str, **changes: Any) -> dict[str, Any]:
    """One finding of audit.json."""
    plain = {"numbers": {}, "examples": [], "figure": None}
    return {"check": check, "verdict": verdict, "title": title, "text": "What was done.", **plain, **changes}


def _explain(folder: Path, rows: Sequence[Row]) -> None:
    files = paths.Explained("first")
    methods = ["integrated_gradients", "grad_cam"]
    images = []
    for place, row in enumerate(row for row in rows if row.split == "test"):
        name = f"{place}.png"
        write_bytes(folder / files.panels / name, encode_png(np.full((30, 90, 3), 20 * place, np.uint8)))
        images.append(
            {
                "id": row.id,
                "label": row.label,
                "predicted": row.label if place % 2 else CLASSES["smear"][0],
                "correct": bool(place % 2),
                "probability": 0.8,
                "panel": name,
                "shares": None,
            }
        )
    share = {region: {"mean": 1 / 3, "low": 0.2, "high": 0.5} for region in ("nucleus", "cytoplasm", "background")}
    content = {
        "classifier": "first",
        "dataset": "smear",
        "methods": methods,
        "target": "predicted class",
        "steps": 5,
        "baselines": 2,
        "images": images,
        "shares": {label: dict.fromkeys(methods, share) for label in CLASSES["smear"]},
        "area_shares": dict.fromkeys(CLASSES["smear"], share),
        "deletion": {method: {"auc": 0.3} for method in methods},
        "insertion": {method: {"auc": None} for method in methods},
        "random": {"deletion_auc": 0.5, "insertion_auc": 0.5},
        "randomisation": {
            "integrated_gradients": {"correlation": 0.1, "passed": True},
            "grad_cam": {"correlation": 0.9, "passed": False},
        },
    }
    write_json(folder / files.summary, content)
    nothing = {"images": [], **dict.fromkeys(("shares", "area_shares", "deletion", "insertion", "random"))}
    write_json(
        folder / paths.Explained("second").summary, {**content, **nothing, "classifier": "second", "methods": []}
    )


def _screen(folder: Path) -> None:
    files = paths.Screened("fields")
    fields = [made_fields.field([made_fields.true(20, 20, 20, SCRIPT)], [], "worst", "g1")]
    fields += [
        made_fields.field(
            [made_fields.true(20, 20, 20, "normal"), made_fields.true(90, 20, 20, "odd & old")],
            [made_fields.found(20, 20, 20, "normal"), made_fields.found(0, 90, 20), *extra],
            name,
            name,
        )
        for name, extra in (("median", []), ("best", [made_fields.found(90, 20, 20, "normal")]))
    ]
    for name in (files.plots, files.figures):
        (folder / name).mkdir(parents=True)
    write_bytes(folder / "field.png", encode_png(np.full((200, 300, 3), 99, np.uint8)))
    result = ScreeningResult(fields, [folder / "field.png"] * len(fields), CLASSES["smear"])
    result.write_tables(folder / files.detections, folder / files.fields)
    result.write_plots(folder / files.plots)
    result.write_figures(folder / files.figures)
    write_json(folder / files.metrics, result.metrics)


def _leaderboard() -> dict[str, Any]:
    def row(name: str, accuracy: float, best: bool) -> dict[str, Any]:
        limits = {"low": accuracy - 0.1, "high": accuracy + 0.1}
        return {
            "name": name,
            "architecture": "timm/test_resnet",
            "channels": "rgb",
            "parameters": 12345,
            "accuracy": accuracy,
            "balanced_accuracy": accuracy,
            "macro_f1": accuracy,
            "auc": None,
            "interval": limits,
            "against_best": None if best else {"accuracy_difference": -0.33, "interval": None},
        }

    pair = {
        "first": "first",
        "second": "second",
        "accuracy_difference": 0.333333,
        "interval": {"low": 0.1, "high": 0.5},
        "p_bootstrap": 0.01,
        "p_mcnemar": 0.2,
        "resolved": True,
    }
    smear = {
        "test_images": 9,
        "test_groups": 3,
        "classifiers": [row("first", 0.666667, True), row("second", 0.333333, False)],
        "pairs": [pair],
        "equals": [["first"], ["second"]],
        "masks": [],
    }
    alone = {**row("folded", 0.388889, True), "interval": None}
    blood = {
        "test_images": 18,
        "test_groups": 6,
        "classifiers": [alone],
        "pairs": [],
        "equals": [["folded"]],
        "masks": [],
    }
    return json.loads(json.dumps({"blood, 2 folds": blood, "smear": smear}))
