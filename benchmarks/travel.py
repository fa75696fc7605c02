"""Do segmenters of white blood cells travel: Dice at home, on a stain left out, and in phantom laboratories.

    python benchmarks/travel.py --archives ../shared/datasets --weights ../shared/weights --write

Images of the preset's development split alone (never those of its test). They come with two grounds, yellow and white:
a network trained on one ground meets the other, as it is and as each phantom laboratory (phantom_labs.py) shows it.
`home` holds out a quarter of the images of both grounds. Every recipe that is run adds a line to docs/travel.jsonl.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cytopipe.core.params import Segmenter
from cytopipe.data.imaging.decode import read_png
from cytopipe.data.imaging.masks import read_mask
from cytopipe.data.manifest import Row
from cytopipe.metrics.comparison import holm
from cytopipe.metrics.paired import paired_difference
from cytopipe.metrics.segmentation import overlap_of_parts
from cytopipe.models.determinism import make_deterministic
from cytopipe.models.inference.segment import Segmentation
from cytopipe.training.train_segmenter import SegmenterJob, fit_segmenter
from cytopipe.training.workspace import Workspace
from fit import CPU, development
from phantom_labs import LABS
from travel_recipes import FORMER_NAME, RECIPES

OUT, LOG = Path("docs/travel.json"), Path("docs/travel.jsonl")
PARTS = ("nucleus", "cell")
WHITE = 235  # the blue of a white ground is at least this, that of a yellow one less


def is_white(row: Row, folder: Path) -> bool:
    """Whether the ground of an image is white, not yellow."""
    image, mask = read_png(folder / row.path), read_mask(folder / row.mask_path)
    return float(np.median(image[mask == 0][:, 2])) >= WHITE


def plans(rows: Sequence[Row], folder: Path) -> dict[str, tuple[list[Row], list[Row]]]:
    """The images to train on, and those to be tested, of each plan; a tenth of the first chooses the epoch."""
    white = {row.id for row in rows if is_white(row, folder)}
    shuffled = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]
    quarter = len(rows) // 4
    return {
        "yellow to white": ([r for r in shuffled if r.id not in white], [r for r in shuffled if r.id in white]),
        "white to yellow": ([r for r in shuffled if r.id in white], [r for r in shuffled if r.id not in white]),
        "home": (shuffled[quarter:], shuffled[:quarter]),
    }


def trained(config: Segmenter, rows: Sequence[Row], folder: Path) -> Segmentation:
    """The segmenter of a recipe, trained on these rows."""
    tenth = max(2, len(rows) // 10)
    split = [replace(row, split="val" if n < tenth else "train") for n, row in enumerate(rows)]
    with tempfile.TemporaryDirectory() as scratch:
        quiet: Callable[[str, Any], None] = lambda part, epoch: None  # noqa: E731
        place = Workspace(CPU, 0, Path(scratch) / "scratch", Path(scratch) / "checkpoints", quiet)
        job = SegmenterJob(config, folder, "0" * 64, place)
        assert config.training is not None
        network = fit_segmenter(job, config.training, split, "")
    return Segmentation.of(network.model, network.spec, CPU)


def scores(segmenter: Segmentation, rows: Sequence[Row], folder: Path) -> dict[str, list[list[float]]]:
    """Dice of nucleus and whole cell of each image, in each laboratory."""
    found = {}
    for lab, phantom in LABS.items():
        pairs = []
        for number, row in enumerate(rows):
            rng = np.random.default_rng(number)
            pairs.append(phantom(read_png(folder / row.path), read_mask(folder / row.mask_path), rng))
        masks = segmenter.masks(image for image, _ in pairs)
        dice = [overlap_of_parts(truth, mask) for (_, truth), mask in zip(pairs, masks, strict=True)]
        found[lab] = [[round(of[f"dice_{part}"], 4) for part in PARTS] for of in dice]
    return found


def run(name: str, plan: str, config: Segmenter, data: tuple[list[Row], list[Row]], folder: Path) -> dict[str, Any]:
    """Train and test one recipe in one plan."""
    start = time.perf_counter()
    segmenter = trained(config, data[0], folder)
    minutes = (time.perf_counter() - start) / 60
    found = scores(segmenter, data[1], folder)
    mean = {lab: [round(float(v), 4) for v in np.mean(dice, axis=0)] for lab, dice in found.items()}
    line = {
        "recipe": name,
        "plan": plan,
        "trained_on": len(data[0]),
        "tested_on": len(data[1]),
        "minutes": round(minutes, 1),
        "segmenter": config.model_dump(mode="json", exclude_defaults=True) | {"pretrained": config.pretrained.name},
        "mean": mean,
        "dice": found,
    }
    for lab, (nucleus, cell) in mean.items():
        print(f"{name} / {plan} / {lab}: nucleus {nucleus:.3f}, cell {cell:.3f}", flush=True)
    return line


def summary(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The last run of each recipe in each plan, and what each gains on the former recipe, paired by image.

    p-values are corrected by Holm's method over all differences.
    """
    last = {(line["plan"], line["recipe"]): line for line in lines}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for (plan, name), line in last.items():
        former = last.get((plan, FORMER_NAME))
        if name == FORMER_NAME or former is None:
            continue
        for lab in line["dice"]:
            gains = np.array(line["dice"][lab]) - np.array(former["dice"][lab])
            for part, gain in zip(PARTS, gains.T, strict=True):
                known = paired_difference(gain, [str(place) for place in range(len(gain))])
                assert known.low is not None and known.high is not None and known.p is not None
                found[f"{plan}: {name}", f"{lab}: {part}"] = {
                    **{"plan": plan, "recipe": name, "lab": lab, "part": part},
                    **{"gain": round(known.estimate, 4), "low": round(known.low, 4), "high": round(known.high, 4)},
                    "p": known.p,
                }
    corrected = holm({key: one["p"] for key, one in found.items()})
    kept = ("recipe", "plan", "trained_on", "tested_on", "minutes", "segmenter", "mean")
    return {
        "labs": list(LABS),
        "runs": [{key: line[key] for key in kept} for line in last.values()],
        "gains": [one | {"p": round(corrected[key], 5)} for key, one in found.items()],
    }


def write(log: Path) -> None:
    """Write docs/travel.json from the log of runs."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    OUT.write_text(json.dumps(summary(lines), indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    """Run recipes, and write docs/travel.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archives", type=Path, required=True, help="folder of wbc_dataset1.zip")
    parser.add_argument("--weights", type=Path, required=True, help="folder of ImageNet weights")
    parser.add_argument("--recipes", nargs="*", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--plans", nargs="*", default=["yellow to white", "white to yellow", "home"])
    parser.add_argument("--log", type=Path, default=LOG, help="file to which each run adds a line")
    parser.add_argument("--write", action="store_true", help=f"write {OUT} from the log")
    asked = parser.parse_args()
    make_deterministic(1)
    with tempfile.TemporaryDirectory() as folder:
        rows, _, organized = development(asked.archives / "wbc_dataset1.zip", Path(folder), "wbc-imagenet", "wbc")
        for plan, data in plans(rows, organized).items():
            for name in asked.recipes if plan in asked.plans else ():
                line = run(name, plan, RECIPES[name](asked.weights), data, organized)
                with asked.log.open("a") as log:
                    log.write(json.dumps(line, ensure_ascii=False) + "\n")
    if asked.write:
        write(asked.log)


if __name__ == "__main__":
    main()
