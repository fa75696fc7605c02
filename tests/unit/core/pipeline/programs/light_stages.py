"""Run every stage that needs no torch in one process, and print which heavy libraries that imported.

python light_stages.py STAGES TESTS     in a folder with the parameters of `tiny`
"""

from __future__ import annotations

import runpy
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import yaml

from cytopipe.core.pipeline.description import read_description
from cytopipe.data.manifest import Row, read_manifest, write_manifest
from cytopipe.results.predictions import Prediction, Predictions

CLASSIFIERS = {"masks": "rgb+masks", "resnet-rgb": "rgb", "resnet-masked": "masked"}


def main(stages: Path) -> None:
    run(stages, "download", "tiny")
    run(stages, "organize", "tiny")
    rows = read_manifest(Path("data/organized/tiny/manifest.csv"))
    take_true_masks_for_predicted_ones(rows)
    run(stages, "build_tensors", "tiny")
    run(stages, "audit", "tiny")
    for name, channels in CLASSIFIERS.items():
        leave_perfect_results(Path("results/classifiers") / name, channels, rows)
    leave_empty_files_for_other_outputs(stages.parent / "dvc.yaml")
    assert "mlflow" not in sys.modules  # what these log waits for `compare`
    run(stages, "compare")
    print("heavy:", *sorted({"torch", "timm", "monai"} & set(sys.modules)))
    print("tracked:", "mlflow" in sys.modules)


def run(stages: Path, name: str, *item: str) -> None:
    sys.argv = [str(stages / f"{name}.py"), *item]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        assert not end.code, name


def take_true_masks_for_predicted_ones(rows: list[Row]) -> None:
    shutil.copytree("data/organized/tiny/masks", "data/masks/tiny/predicted")
    masked = [replace(row, mask_path=f"predicted/{row.id}.png") for row in rows]
    write_manifest(Path("data/masks/tiny/manifest.csv"), masked)


def leave_perfect_results(folder: Path, channels: str, rows: list[Row]) -> None:
    """Write the results of a classifier that is always right."""
    from made_results import classifier_details

    classes = sorted({row.label for row in rows})
    tables = {split: Predictions.of(classes, always_right(rows, classes, split)) for split in ("val", "test")}
    folder.mkdir(parents=True)
    classifier_details(1.0, dataset="tiny", channels=channels).write(folder / "details.json")
    tables["test"].write(folder / "predictions.csv")
    (folder / "training").mkdir()
    tables["val"].write(folder / "training/validation.csv")


def always_right(rows: list[Row], classes: list[str], split: str) -> list[Prediction]:
    """Predictions of the images of a split, each with certainty."""
    return [
        Prediction(
            id=row.id,
            group=row.group,
            label=row.label,
            predicted=row.label,
            probabilities=tuple(float(label == row.label) for label in classes),
        )
        for row in rows
        if row.split == split
    ]


def leave_empty_files_for_other_outputs(dvc_yaml: Path) -> None:
    """`compare` asks for every output below the folder that it depends on; those that it does not read are empty."""
    outputs = read_description(dvc_yaml).outputs(yaml.safe_load(Path("params.yaml").read_text()))
    for path in (Path(output) for output in outputs if output.startswith("results/classifiers/")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


if __name__ == "__main__":
    sys.path.append(sys.argv[2])
    main(Path(sys.argv[1]))
