"""Compare classifiers on the same test images: ranks with intervals, and paired differences."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from cytopipe.errors import CytopipeError
from cytopipe.io.tables import markdown
from cytopipe.metrics.classification import LEVEL, group_draws, interval
from cytopipe.metrics.comparison import groups_of_equals, holm, mcnemar, paired_bootstrap


@dataclass(frozen=True)
class Entry:
    """One classifier's results on the test split.

    `correct` holds 0 or 1 for each test image, in the order of `ids`; `groups` are theirs; `settings` are all its
    parameters but the channels.
    """

    name: str
    dataset: str
    architecture: str
    channels: str
    parameters: int
    settings: Mapping[str, Any]
    metrics: Mapping[str, Any]
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    correct: np.ndarray


def read_predictions(path: Path) -> tuple[tuple[str, ...], tuple[str, ...], np.ndarray]:
    """ids, groups and correctness of predictions.csv.

    Raises:
        CytopipeError: when the file is missing.
    """
    if not path.is_file():
        raise CytopipeError("no predictions", where=path, hint="run the stage evaluate")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    correct = np.array([row["label"] == row["predicted"] for row in rows], dtype=float)
    return tuple(row["id"] for row in rows), tuple(row["group"] for row in rows), correct


def accuracy_difference(first: Entry, second: Entry) -> dict[str, Any]:
    """Accuracy of `first` minus that of `second`, with a paired bootstrap over groups (None for a single group).

    Raises:
        CytopipeError: when the two were not tested on the same images.
    """
    if first.ids != second.ids:
        raise CytopipeError(f"'{first.name}' and '{second.name}' were tested on different images")
    gain = first.correct - second.correct
    draws = [float(gain[rows].mean()) for rows in group_draws(first.groups)]
    return {"accuracy_difference": float(gain.mean()), "interval": interval(draws)}


def compare_all(ranked: Sequence[Entry]) -> dict[str, Any]:
    """Every pair on the same images, and which neighbours in the ranking no pair tells apart.

    A difference is resolved where the bootstrap over groups says so after Holm's correction for the number of pairs;
    McNemar's test, which takes images for independent, stands beside it.

    Returns:
        `pairs` and `equals` (lists of names, best first). A single group has no bootstrap and no p.
    """
    draws = group_draws(ranked[0].groups)
    pairs = {(one.name, two.name): (one, two) for one, two in combinations(ranked, 2)}
    found = {names: accuracy_difference(*pair) for names, pair in pairs.items()}
    chances = {names: paired_bootstrap(one.correct - two.correct, draws) for names, (one, two) in pairs.items()}
    corrected = holm({names: 1.0 if p is None else p for names, p in chances.items()})
    mcnemars = holm({names: mcnemar(one.correct, two.correct) for names, (one, two) in pairs.items()})
    rows = [
        {
            "first": names[0],
            "second": names[1],
            **found[names],
            "p_bootstrap": corrected[names] if draws else None,
            "p_mcnemar": mcnemars[names],
            "resolved": corrected[names] < 1 - LEVEL,
        }
        for names in pairs
    ]
    resolved = {frozenset((row["first"], row["second"])) for row in rows if row["resolved"]}
    return {"pairs": rows, "equals": groups_of_equals([entry.name for entry in ranked], resolved)}


def leaderboard(entries: Sequence[Entry]) -> dict[str, Any]:
    """One ranking a dataset, best accuracy first, and what masks change for networks that differ in nothing else.

    Cross-validated classifiers, tested on all images, have a ranking of their own.
    """
    result: dict[str, Any] = {}
    for title in sorted({_title(entry) for entry in entries}):
        ranked = sorted(
            (entry for entry in entries if _title(entry) == title),
            key=lambda entry: (-entry.metrics["accuracy"], entry.name),
        )
        result[title] = {
            "test_images": len(ranked[0].ids),
            "test_groups": len(set(ranked[0].groups)),
            "classifiers": [_row(entry, ranked[0]) for entry in ranked],
            **compare_all(ranked),
            "masks": _mask_effects(ranked),
        }
    return result


def _title(entry: Entry) -> str:
    folds = entry.settings.get("folds")
    return f"{entry.dataset}, {folds} folds" if folds else entry.dataset


def _row(entry: Entry, best: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "architecture": entry.architecture,
        "channels": entry.channels,
        "parameters": entry.parameters,
        **{name: entry.metrics[name] for name in ("accuracy", "balanced_accuracy", "macro_f1", "auc")},
        "interval": entry.metrics["interval"]["accuracy"],
        "seeds": entry.metrics["seeds"]["accuracy"] if "seeds" in entry.metrics else None,
        "against_best": None if entry is best else accuracy_difference(entry, best),
    }


def _mask_effects(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    return [
        {"with": other.name, "without": plain.name, "channels": other.channels, **accuracy_difference(other, plain)}
        for plain in entries
        if plain.channels == "rgb"
        for other in entries
        if other.channels != "rgb" and other.settings == plain.settings
    ]


def to_markdown(board: Mapping[str, Any]) -> str:
    """The leaderboard for people."""
    parts = ["# Leaderboard\n"]
    for dataset, content in board.items():
        parts.append(
            f"## {dataset}\n\n{content['test_images']} test images of {content['test_groups']} groups. "
            "Intervals are 95 %, by a bootstrap over groups.\n"
        )
        parts.append(_ranking(content["classifiers"]))
        if content["pairs"]:
            parts.append(_resolution(content))
        if content["masks"]:
            parts.append("Do masks help?\n")
            parts += [_verdict(effect) for effect in content["masks"]]
    return "\n".join(parts)


def _ranking(rows: Sequence[Mapping[str, Any]]) -> str:
    header = ("classifier", "channels", "parameters", "accuracy", "95 %", "macro F1", "AUC", "against the best")
    return markdown(
        header,
        [
            (
                row["name"],
                row["channels"],
                f"{row['parameters']:,}",
                _accuracy(row),
                _range(row["interval"], ".3f"),
                f"{row['macro_f1']:.3f}",
                "-" if row["auc"] is None else f"{row['auc']:.3f}",
                "-" if row["against_best"] is None else _signed(row["against_best"]),
            )
            for row in rows
        ],
    )


def _accuracy(row: Mapping[str, Any]) -> str:
    seeds = row["seeds"]
    spread = f"; {len(seeds['values'])} seeds {seeds['mean']:.3f} ± {seeds['sd']:.3f}" if seeds else ""
    return f"{row['accuracy']:.3f}{spread}"


def _resolution(content: Mapping[str, Any]) -> str:
    told_apart = sum(row["resolved"] for row in content["pairs"])
    groups = "; ".join(", ".join(f"`{name}`" for name in names) for names in content["equals"] if len(names) > 1)
    if all(row["p_bootstrap"] is None for row in content["pairs"]):
        return f"All test images are of one group, which can resolve no difference. Not told apart: {groups}.\n"
    return (
        f"{told_apart} of {len(content['pairs'])} differences are resolved (paired bootstrap over groups, Holm). "
        + (f"Not told apart: {groups}.\n" if groups else "All are told apart.\n")
    )


def _range(limits: Mapping[str, float] | None, form: str) -> str:
    return "-" if limits is None else f"{limits['low']:{form}} to {limits['high']:{form}}"


def _signed(difference: Mapping[str, Any]) -> str:
    return f"{difference['accuracy_difference']:+.3f} ({_range(difference['interval'], '+.3f')})"


def _verdict(effect: Mapping[str, Any]) -> str:
    limits = effect["interval"]
    if limits and limits["low"] > 0:
        answer = "they help"
    elif limits and limits["high"] < 0:
        answer = "they harm"
    else:
        answer = "no difference that this test set can resolve"
    pair = f"`{effect['with']}` ({effect['channels']}) against `{effect['without']}` (rgb)"
    return f"- {pair}: {_signed(effect)}: {answer}.\n"
