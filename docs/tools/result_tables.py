"""Write the tables of README.md and of docs/ between their markers.

python docs/tools/result_tables.py           tables of real runs, from docs/results/*.json
python docs/tools/result_tables.py --demo    also those of the demo, after `make repro` on its preset
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from cytopipe import paths
from cytopipe.core.io.atomic import write_text
from cytopipe.core.io.tables import markdown
from cytopipe.core.params import load_params
from cytopipe.errors import CytopipeError
from cytopipe.metrics.registry import METRICS, find, ranked
from cytopipe.report.stored_results import FOLDER, Stored, read_results
from cytopipe.results.leaderboard import Leaderboard
from cytopipe.results.numbers import Estimate
from cytopipe.results.screening import ScreeningDetails
from cytopipe.verify import Present, write_record

README = Path("README.md")
DEMO_PAGE = Path("docs/demo.md")
RESULTS_PAGE = Path("docs/results.md")
FIT = Path("docs/fit.json")
TRIED = Path("docs/tried_recipes.jsonl")
DEMO = paths.PRESETS / "demo.yaml"
TOOL = "python docs/tools/result_tables.py"
SCREENING_COLUMNS = {
    "F1 of boxes": ("boxes", "f1"),
    "F1, edge counted": ("boxes", "all_counted_f1"),
    "F1 of outlines": ("contours", "f1"),
    "count error": ("count", "relative_error"),
    "rightly named": ("naming", "accuracy"),
}
_ORDER = {metric.key: place for place, metric in enumerate(METRICS)}


def between(page: str, mark: str, body: str) -> str:
    """The page with a new text between its two markers.

    Raises:
        CytopipeError: when the page lacks the markers, or has them in the wrong order.
    """
    begin, end = f"<!-- {mark}:begin -->", f"<!-- {mark}:end -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise CytopipeError("the markers are missing", hint=f"add the lines {begin} and {end}")
    return f"{before}{begin}\n{body.strip()}\n{end}{after}"


def with_table(page: str, mark: str, measured: Path, table: Callable[[Any], str]) -> str:
    """The page with the table, or tables, of a file that a benchmark wrote, between its marks."""
    return between(page, mark, table(json.loads(measured.read_text(encoding="utf-8"))))


def real_results(stored: Sequence[Stored]) -> str:
    """One table for each set of metrics (segmenters, classifiers), one row per system, and how they were made.

    A row that two runs share, such as that of one segmenter in two presets, is shown once.
    """
    tables: dict[tuple[str, tuple[str, ...]], list[tuple[str, ...]]] = {}
    for run in stored:
        for (dataset, system, split, n, unit), group in groupby(
            run.results, key=attrgetter("dataset", "system", "split_shown", "n", "unit")
        ):
            results = sorted(group, key=lambda one: _ORDER.get(one.metric, len(_ORDER)))  # older files have another
            row = (dataset, system, split, f"{n:,}", *(one.shown for one in results))
            rows = tables.setdefault((unit, tuple(one.metric for one in results)), [])
            if row not in rows:
                rows.append(row)
    parts = [
        markdown(("dataset", "system", "split", f"test {unit}", *map(_title, metrics)), rows)
        for (unit, metrics), rows in tables.items()
    ]
    notes = dict.fromkeys(
        f"- {one.dataset}, {one.system}: {one.note}" for run in stored for one in run.results if one.note
    )
    made = [f"- {run.preset}: {run.made}" for run in stored]
    return "\n".join([*parts, *notes, "\nIn parentheses: 95 % intervals over groups. Made by\n", *made, ""])


def _title(key: str) -> str:
    metric = find(key)
    return metric.name if metric else key


def fit_tables(found: Mapping[str, Any]) -> str:
    """What `benchmarks/fit.py` measured: the accuracy with each fit, and the differences."""
    accuracy = [
        (f"`{name}`", f"{one['mean']:.3f}", ", ".join(f"{value:.3f}" for value in one["by_seed"]))
        for name, one in found["accuracy"].items()
    ]
    differences = [
        (
            f"`{one['second']}` - `{one['first']}`",
            f"{one['difference']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})",
            "yes" if one["resolved"] else "no",
        )
        for one in found["differences"]
    ]
    made = (
        f"{found['images']} development images of {found['groups']} groups, {found['folds']} folds of whole groups, "
        f"{found['seeds']} seeds; squares of {found['size']} px, {found['epochs']} epochs; "
        f"`scale` with {found['source_pixels']:g} source pixels a pixel."
    )
    return "\n".join(
        [
            markdown(("fit", "accuracy", "by seed"), accuracy),
            markdown(("difference", "accuracy (95 %)", "resolved"), differences),
            made,
        ]
    )


def tried_recipes(log: str) -> str:
    """One row for each recipe of the log, of several lines the best; quick probes have no numbers by seed."""
    lines = [json.loads(line) for line in log.splitlines()]
    tries = Counter(one["recipe"] for one in lines)
    best = {one["recipe"]: one for one in sorted(lines, key=lambda one: one["accuracy"])}
    rows = [
        (
            one["recipe"] + (f" (best of {tries[one['recipe']]})" if tries[one["recipe"]] > 1 else ""),
            f"`{json.dumps(one['classifier'].get('arguments', {}))}`",
            f"{one['images']:,}",
            f"{one['folds']}",
            f"{one['accuracy']:.3f}",
            ", ".join(f"{value:.3f}" for value in one["by_seed"]) or "-",
            f"{one['normal_or_abnormal']:.3f}",
        )
        for one in (best[name] for name in tries)
    ]
    names = ("recipe", "arguments", "images", "folds", "accuracy", "by seed", "normal or abnormal")
    return markdown(names, rows)


def leaderboard_summary(board: Leaderboard) -> str:
    """The README's table: one row for each classifier of `results/leaderboard.json`, one column for each metric that is
    ranked, and the interval of the first of them.
    """
    leading, *others = ranked()
    rows = [
        (
            f"`{row.name}`",
            dataset,
            f"{ranking.test_images:,}",
            _number(row.metrics[leading.key].value),
            _limits(row.metrics[leading.key]),
            *(_number(row.metrics[metric.key].value) for metric in others),
        )
        for dataset, ranking in board.root.items()
        for row in ranking.classifiers
    ]
    names = (leading.name, "95 %", *(metric.name for metric in others))
    return markdown(("classifier", "dataset", "test images", *names), rows)


def _limits(found: Estimate) -> str:
    return "-" if found.low is None else f"{found.low:.3f} to {found.high:.3f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def leaderboard(text: str) -> str:
    """`results/leaderboard.md` as a part of a page: its title left out, the headings of datasets one level lower."""
    lines = (line for line in text.splitlines() if not line.startswith("# "))
    return "\n".join(f"#{line}" if line.startswith("## ") else line for line in lines).strip()


def screenings(root: Path) -> str:
    """One row for each screening of a finished run."""
    rows = []
    for name, config in load_params(root / paths.PARAMS).screenings.items():
        details = ScreeningDetails.read(root / paths.Screened(name).details)
        shown = [_with_interval(getattr(details, part)[value]) for part, value in SCREENING_COLUMNS.values()]
        rows.append((f"`{name}`", f"`{config.detector}`", str(details.fields), str(details.cells), *shown))
    return markdown(("screening", "detector", "fields", "cells", *SCREENING_COLUMNS), rows)


def _with_interval(found: Estimate) -> str:
    return f"{_number(found.value)} ({_number(found.low)} to {_number(found.high)})"


def write_demo(root: Path) -> None:
    """Update README.md, the demo's page and the record beside dvc.lock from the finished run of the demo in `root`.

    Raises:
        CytopipeError: when params.yaml is not the demo preset.
    """
    if (root / paths.PARAMS).read_bytes() != (root / DEMO).read_bytes():
        raise CytopipeError("params.yaml is not the demo preset", hint="cytopipe preset demo && make repro")
    board = Leaderboard.read(root / paths.LEADERBOARD_JSON)
    note = f"\n(`make repro`; written here by `{TOOL} --demo` from `{{}}`)"
    summary = leaderboard_summary(board) + note.format(paths.LEADERBOARD_JSON)
    _update(root / README, {"demo": summary})
    full = leaderboard((root / paths.LEADERBOARD_MD).read_text(encoding="utf-8"))
    stored = write_record(Present(root), root / paths.RECORD)
    print(f"{root / paths.RECORD}: {len(stored.outputs)} stages")
    found = screenings(root) + note.format("results/screenings/*/details.json")
    _update(root / DEMO_PAGE, {"demo": f"{full}\n{note.format(paths.LEADERBOARD_MD)}", "screenings": found})


def write_real(root: Path) -> None:
    """Update the page of results on real cells from the stored results."""
    bodies = {"results": real_results(read_results(root / FOLDER))}
    if (root / FIT).is_file():
        bodies["fit"] = fit_tables(json.loads((root / FIT).read_text(encoding="utf-8")))
    if (root / TRIED).is_file():
        bodies["tried"] = tried_recipes((root / TRIED).read_text(encoding="utf-8"))
    _update(root / RESULTS_PAGE, bodies)


def _update(file: Path, bodies: Mapping[str, str]) -> None:
    text = file.read_text(encoding="utf-8")
    for mark, body in bodies.items():
        text = between(text, mark, body)
    write_text(file, text)
    print(f"{file}: {', '.join(bodies)}")


if __name__ == "__main__":
    try:
        write_real(Path())
        if "--demo" in sys.argv[1:]:
            write_demo(Path())
    except CytopipeError as error:
        sys.exit(f"error: {error}")
