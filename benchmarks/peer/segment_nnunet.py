"""nnU-Net in 2D with its own plan; runs in the environment of the peers.

segment_nnunet.py ORGANIZED MINUTES OUT

Its 1,000 epochs of 250 steps do not fit: the same steps are taken until the time is over, and its polynomial schedule
of the learning rate runs over the time instead of the epochs.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

NAME, NUMBER = "Dataset001_cells", 1


def prepare(data: Path, folder: Path) -> list[str]:
    """Write the images in nnU-Net's layout, with our split of training and validation; returns the test ids."""
    rows = [row for row in csv.DictReader((data / "manifest.csv").open()) if row["mask_path"]]
    raw = folder / "raw" / NAME
    for row in rows:
        part = "Ts" if row["split"] == "test" else "Tr"
        for kind, name, source in (
            ("images", f"{row['id']}_0000.png", "path"),
            ("labels", f"{row['id']}.png", "mask_path"),
        ):
            target = raw / f"{kind}{part}" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(data / row[source], target)
    ids = {split: [row["id"] for row in rows if row["split"] == split] for split in ("train", "val", "test")}
    about = {
        "channel_names": {"0": "R", "1": "G", "2": "B"},
        "labels": {"background": 0, "cytoplasm": 1, "nucleus": 2},
        "numTraining": len(ids["train"]) + len(ids["val"]),
        "file_ending": ".png",
    }
    (raw / "dataset.json").write_text(json.dumps(about))
    split = folder / "preprocessed" / NAME / "splits_final.json"
    split.parent.mkdir(parents=True, exist_ok=True)
    split.write_text(json.dumps([{"train": ids["train"], "val": ids["val"]}]))
    return ids["test"]


def train(trainer: Any, minutes: float) -> tuple[int, float]:
    """Take steps until the time is over; returns the images seen and the seconds."""
    trainer.on_train_start()
    started, steps = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < 60 * minutes:
        for group in trainer.optimizer.param_groups:
            group["lr"] = trainer.initial_lr * (1 - elapsed / (60 * minutes)) ** 0.9
        trainer.network.train()
        trainer.train_step(next(trainer.dataloader_train))
        steps += 1
    seconds = time.perf_counter() - started
    trainer.save_checkpoint(str(Path(trainer.output_folder) / "checkpoint_final.pth"))
    return steps * trainer.batch_size, seconds


def main(data: Path, minutes: float, out: Path) -> None:
    """Plan, train for the given time, and segment the test images into OUT/masks."""
    for part in ("raw", "preprocessed", "results"):
        (out / part).mkdir(parents=True, exist_ok=True)
        os.environ[f"nnUNet_{part}"] = str(out / part)
    os.environ.setdefault("nnUNet_n_proc_DA", "1")
    os.environ["nnUNet_compile"] = "f"  # noqa: SIM112  (its name)
    prepare(data, out)

    # Only now: nnU-Net reads its folders when it is imported.
    import torch
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprints,
        plan_experiments,
        preprocess,
    )
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.run.run_training import get_trainer_from_args

    from report import write_seen

    extract_fingerprints([NUMBER], num_processes=1, check_dataset_integrity=True)
    plan_experiments([NUMBER])
    preprocess([NUMBER], configurations=["2d"], num_processes=[1])
    device = torch.device("cpu")
    trainer = get_trainer_from_args(str(NUMBER), "2d", 0, device=device)
    trainer.initialize()
    seen, seconds = train(trainer, minutes)

    predictor = nnUNetPredictor(device=device, perform_everything_on_device=False, allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(trainer.output_folder_base, (0,), "checkpoint_final.pth")
    predictor.predict_from_files(
        str(out / "raw" / NAME / "imagesTs"), str(out / "masks"), num_processes_preprocessing=1,
        num_processes_segmentation_export=1,
    )  # fmt: skip
    write_seen(out, seen, seconds)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))
