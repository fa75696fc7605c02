"""A table of encoders on two real datasets: three with ImageNet weights, one also by regions of masks, one untrained.

Images are cells of blood (WBC dataset 1, Zheng 2018) and of Pap smears (Herlev, Jantzen 2005), 128 px; masks are by
Otsu's threshold.
Probes choose their settings by five grouped folds of training and validation images; the test split is used once.

python benchmarks/encoders.py --archives FOLDER --weights FOLDER           a few minutes on one core
python benchmarks/encoders.py --archives FOLDER --weights FOLDER --write   also docs/encoders.json
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from cytopipe.core.params import load_params
from cytopipe.embeddings.cache import seconds_of
from cytopipe.evaluation.comparison.encoders import encoder_tables, read_encoders, to_markdown

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/encoders.json"
ARCHIVES = {"wbc": "wbc_dataset1.zip", "herlev": "herlev_smear2005.zip"}
WEIGHTS = {
    "lite2": "tf_efficientnet_lite2",
    "lite0": "tf_efficientnet_lite0",
    "mobilenetv2": "mobilenetv2_100",
}
SIDE, FOLDS = 128, 5
UNTRAINED = "workflow/weights/none"


def dataset_of(preset: str, archive: Path) -> dict[str, Any]:
    """The dataset of a preset, from an archive, with Otsu's masks."""
    values = yaml.safe_load((ROOT / f"workflow/presets/{preset}.yaml").read_text(encoding="utf-8"))
    source = {"kind": "archive", "path": archive.resolve().as_posix()}
    changes = {"source": source, "segmenter": "otsu", "image_size": SIDE, "fit": "pad"}
    return {**values["datasets"][preset], **changes}


def embeddings_of(dataset: str, weights: Path) -> dict[str, dict[str, Any]]:
    """The encoders of one dataset."""
    common = {"dataset": dataset, "inner_folds": FOLDS}
    found = {
        f"{dataset}-{name}": {
            **common,
            "architecture": f"timm/{model}",
            "pretrained": (weights / f"{model}_imagenet.safetensors").resolve().as_posix(),
        }
        for name, model in WEIGHTS.items()
    }
    found[f"{dataset}-mobilenetv2-regions"] = {**found[f"{dataset}-mobilenetv2"], "regions": "masks"}
    untrained = {"architecture": f"timm/{WEIGHTS['lite0']}", "pretrained": UNTRAINED}
    return {**found, f"{dataset}-untrained": {**common, **untrained}}


def params_of(archives: Path, weights: Path) -> dict[str, Any]:
    """All parameters of the benchmark; its one classifier is never trained."""
    network = {"dataset": "wbc", "pretrained": UNTRAINED}
    return {
        "runtime": {"device": "cpu", "cpu": "native", "num_threads": 1, "num_workers": 1},
        "tracking": {"enabled": False},
        "audit": "off",
        "explain": {"images": 0},
        "datasets": {name: dataset_of(name, archives / file) for name, file in ARCHIVES.items()},
        "segmenters": {"otsu": {**network, "architecture": "otsu"}},
        "classifiers": {
            "none": {**network, "architecture": "timm/test_resnet", "training": {"epochs": 1, "batch_size": 8}}
        },
        "screenings": {},
        "evaluations": {},
        "embeddings": {key: one for name in ARCHIVES for key, one in embeddings_of(name, weights).items()},
    }


def run(project: Path, stage: str, item: str) -> None:
    """Run one stage in the project."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, f"stages/{stage}.py", item], cwd=project, env=environment, check=True)


def main(
    archives: Annotated[Path, typer.Option("--archives", help="Folder of the archives of the datasets.")],
    weights: Annotated[Path, typer.Option("--weights", help="Folder of NAME_imagenet.safetensors of timm's models.")],
    write: Annotated[bool, typer.Option("--write", help="Write docs/encoders.json.")] = False,
) -> None:
    """Run every encoder, and print or store the tables."""
    params = params_of(archives, weights)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        for name in ("src", "stages", "workflow", "dvc.yaml"):
            (project / name).symlink_to(ROOT / name)
        (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
        for stage in ("download", "organize"):
            for dataset in ARCHIVES:
                run(project, stage, dataset)
        run(project, "train_segmenter", "otsu")
        for dataset in ARCHIVES:
            run(project, "generate_masks", dataset)
            run(project, "build_tensors", dataset)
        for name in params["embeddings"]:
            run(project, "embed", name)
        os.chdir(project)
        found = read_encoders(load_params(Path("params.yaml")).embeddings)
        tables, seconds = encoder_tables(found), seconds_of([one.name for one in found])
        os.chdir(ROOT)
    print(to_markdown(tables, seconds))
    if write:
        values = {name: table.model_dump(mode="json") for name, table in tables.items()}
        rounded = {name: round(value) for name, value in seconds.items()}
        RESULTS.write_text(json.dumps({"tables": values, "seconds": rounded}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
