"""Write the demo's results into README.md: python docs/readme.py, after `make repro` on the demo preset."""

from __future__ import annotations

import sys
from pathlib import Path

from cytopipe import paths
from cytopipe.errors import CytopipeError
from cytopipe.io.atomic import write_text
from cytopipe.io.tables import markdown
from cytopipe.params import load_params
from cytopipe.results.numbers import Estimate
from cytopipe.results.screening import ScreeningDetails

README = Path("README.md")
DEMO = paths.PRESETS / "demo.yaml"
SHOWN = {
    "F1 of boxes": ("boxes", "f1"),
    "F1, edge counted": ("boxes", "all_counted_f1"),
    "F1 of outlines": ("contours", "f1"),
    "count error": ("count", "relative_error"),
    "rightly named": ("naming", "accuracy"),
}


def between(readme: str, mark: str, body: str) -> str:
    """The README with a new text between two markers."""
    begin, end = f"<!-- {mark}:begin -->", f"<!-- {mark}:end -->"
    before, rest = readme.split(begin)
    after = rest.split(end)[1]
    return f"{before}{begin}\n{body}\n{end}{after}"


def leaderboard() -> str:
    """The leaderboard, the datasets' headings in bold."""
    lines = (line for line in paths.LEADERBOARD_MD.read_text(encoding="utf-8").splitlines() if line[:2] != "# ")
    body = "\n".join(f"**{line[3:]}**" if line.startswith("## ") else line for line in lines).strip()
    return f"{body}\n\n(`make repro`; the table is `results/leaderboard.md`, put here by `python docs/readme.py`)"


def screenings() -> str:
    """A row for each screening of the demo."""
    header = ("screening", "detector", "fields", "cells", *SHOWN)
    rows = []
    for name, config in load_params(paths.PARAMS).screenings.items():
        details = ScreeningDetails.read(paths.Screened(name).details)
        shown = [_with_interval(getattr(details, part)[value]) for part, value in SHOWN.values()]
        rows.append((f"`{name}`", f"`{config.detector}`", str(details.fields), str(details.cells), *shown))
    source = "(`make repro`: `results/screenings/*/details.json`, put here by `python docs/readme.py`)"
    return f"{markdown(header, rows)}\n{source}"


def _with_interval(found: Estimate) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def main() -> None:
    """Update README.md, where the results are the demo's."""
    if paths.PARAMS.read_bytes() != DEMO.read_bytes():
        raise CytopipeError("params.yaml is not the demo preset", hint="cytopipe preset demo && make repro")
    text = between(README.read_text(encoding="utf-8"), "demo", leaderboard())
    write_text(README, between(text, "screenings", screenings()))


if __name__ == "__main__":
    try:
        main()
    except CytopipeError as error:
        sys.exit(f"error: {error}")
