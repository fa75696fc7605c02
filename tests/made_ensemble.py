"""Model folders of several small networks that are one classifier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cytopipe.models.ensemble import save_ensemble
from cytopipe.models.files import FOLDS, fold_part, seed_part
from cytopipe.models.folder import list_file
from cytopipe.models.folds import Folds
from cytopipe.results.ensemble import Kind
from cytopipe.results.model_spec import DecisionRule, Threshold

RULE = DecisionRule(
    temperature=1.5,
    confidence_threshold=0.6180339887498949,
    abnormal=("bad",),
    thresholds=(Threshold(specificity=0.9, score=0.30000000000000004),),
)


def make_ensemble(
    folder: Path, save: Callable[[Path, int], object], kind: Kind = "folds", count: int = 3, rule: DecisionRule = RULE
) -> Path:
    """Write a folder of folds or seeds; `save` writes a network into a folder, given its number."""
    part = fold_part if kind == "folds" else seed_part
    parts = [part(number) for number in range(count)]
    for number, name in enumerate(parts):
        save(folder / name, number)
    if kind == "folds":
        Folds({f"{image:02}": image % count for image in range(4 * count)}, folder).write()
        list_file(folder, FOLDS, (folder / FOLDS).read_bytes())
    save_ensemble(folder, kind, parts, rule, images=4 * count, groups=count)
    return folder
