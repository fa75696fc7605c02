"""How many flipped labels the suspects of the audit hold: on the demo's phantoms and on real images.

python benchmarks/suspects.py                             the demo's phantoms
python benchmarks/suspects.py --archives FOLDER --write   real images too; writes docs/suspects.json

Masks are the true ones where a dataset has them, else Otsu's; the segmenters of the presets are not trained for this.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import torch
import typer

from copies import ROOT

sys.path.insert(0, str(ROOT))

from cytopipe.audit.appearance import appearance
from cytopipe.audit.suspects import judge_labels
from cytopipe.core.io.archives import extract_archive
from cytopipe.core.params import SPLITS, Dataset, Params, load_params
from cytopipe.data.imaging.decode import read_png
from cytopipe.data.imaging.masks import read_mask
from cytopipe.data.manifest import Row
from cytopipe.data.organize import organize
from cytopipe.data.splits import beside_test
from cytopipe.data.tensors import make_item
from cytopipe.models.architectures.otsu import OtsuSegmenter
from cytopipe.sources.fetch import fetch

RESULTS = ROOT / "docs/suspects.json"
REAL = {  # archive by preset
    "malaria": "nlm_malaria_50px_grey.zip",
    "herlev": "herlev_smear2005.zip",
}
RATE = 0.05  # share of the labels that are flipped


def flipped(rows: Sequence[Row], rate: float, seed: int) -> tuple[list[Row], set[str]]:
    """The rows with other classes, drawn evenly, for a share of the images that may be suspected; and their ids."""
    rng = np.random.default_rng(seed)
    labels = {row.class_index: row.label for row in rows}
    free, _ = beside_test(rows)
    chosen = rng.choice(free, round(rate * len(free)), replace=False)
    changed = list(rows)
    for k in chosen:
        index = int(rng.choice([one for one in sorted(labels) if one != rows[k].class_index]))
        changed[k] = replace(rows[k], class_index=index, label=labels[index])
    return changed, {rows[k].id for k in chosen}


def measure(rows: Sequence[Row], features: np.ndarray, draws: int) -> dict[str, Any]:
    """Mean over draws of flipped labels: what is named, and how much of it was flipped."""
    untouched = judge_labels(rows, lambda chosen: features[chosen])
    if not untouched.summary.images:
        raise SystemExit(f"nothing is judged: {untouched.summary.withheld}")
    found = []
    for seed in range(draws):
        changed, wrong = flipped(rows, RATE, seed)
        start = time.process_time()
        suspects = judge_labels(changed, lambda chosen: features[chosen])
        named = [row.id for row in suspects.rows]
        hits = wrong.intersection(named)
        found.append(
            {
                "recall": len(hits) / len(wrong),
                "precision": len(hits) / max(len(named), 1),
                "recall of the first": len(wrong.intersection(named[: len(wrong)])) / len(wrong),
                "named": len(named) / suspects.summary.images,
                "seconds": time.process_time() - start,
            }
        )
    summary = untouched.summary
    accuracy = summary.accuracy
    return {
        "images": summary.images,
        "groups": summary.groups,
        "balanced accuracy": None if accuracy is None or accuracy.value is None else round(accuracy.value, 3),
        "withheld": summary.withheld,
        "flipped": RATE,
        "draws": draws,
        "named without flips": round(summary.suspects / max(summary.images, 1), 4),
        **{key: round(float(np.mean([one[key] for one in found])), 3) for key in found[0]},
        "least recall": round(min(one["recall"] for one in found), 3),
    }


def measured_images(name: str, params: Params, raw: Path, folder: Path, most: int) -> tuple[list[Row], np.ndarray]:
    """Organize raw files; returns the rows of at most so many images, drawn evenly, and their features."""
    config: Dataset = params.datasets[name]
    folders = {part: folder / part for part in (*SPLITS, "masks")}
    for made in folders.values():
        made.mkdir(parents=True)
    rows, _ = organize(name, config, raw, folders, lambda items, total: items)
    kept = np.sort(np.random.default_rng(0).permutation(len(rows))[:most])
    chosen = [rows[k] for k in kept]
    segmenter = params.segmenters[config.segmenter]
    otsu = OtsuSegmenter(**(segmenter.arguments if segmenter.architecture == "otsu" else {}))
    features = []
    for row in chosen:
        image = read_png(folder / row.path)
        mask = read_mask(folder / row.mask_path) if row.mask_path else _otsu(otsu, image)
        features.append(appearance(make_item(image, mask, config.image_size, config.fit, row.pixel_size_um)))
    return chosen, np.stack(features)


def _otsu(segmenter: OtsuSegmenter, image: np.ndarray) -> np.ndarray:
    logits = segmenter(torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32) / 255))
    cell, nucleus = (logits[part][0, 0].numpy() > 0 for part in ("cyt", "nuc"))
    return np.where(nucleus, 2, cell).astype(np.uint8)


def main(
    archives: Annotated[Path | None, typer.Option(help="Folder of the archives of real images.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Measure only this dataset; repeatable.")] = None,
    most: Annotated[int, typer.Option(help="Images of a dataset; of more, a sample is drawn.")] = 6000,
    draws: Annotated[int, typer.Option(help="Draws of flipped labels.")] = 3,
    write: Annotated[bool, typer.Option(help="Also write docs/suspects.json.")] = False,
) -> None:
    """Measure and print what is found."""
    cv2.setNumThreads(1)
    results = json.loads(RESULTS.read_text()) if only and RESULTS.exists() else {}
    os.chdir(ROOT)  # paths in the presets
    demo = load_params(ROOT / "workflow/presets/demo.yaml")
    sources = [("phantoms", name, demo) for name in demo.datasets]
    for preset in REAL if archives else ():
        params = load_params(ROOT / f"workflow/presets/{preset}.yaml")
        sources.append(("real", preset, params))
    for kind, name, params in sources:
        title = f"{name}, {kind}"
        if only and title not in only:
            continue
        key = name if kind == "phantoms" else next(iter(params.datasets))
        with tempfile.TemporaryDirectory() as temporary:
            raw = Path(temporary) / "raw"
            raw.mkdir()
            if kind == "real":
                assert archives
                extract_archive(archives / REAL[name], raw)
            else:
                fetch(params.datasets[key].source, raw, dataset=key, cache=raw, workers=1)
            rows, features = measured_images(key, params, raw, Path(temporary) / "organized", most)
        results[title] = measure(rows, features, draws)
        print(title, json.dumps(results[title]), flush=True)
        if write:
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
