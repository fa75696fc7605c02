"""Write the demo's results into README.md: python docs/readme.py, after `make repro` on the demo preset."""

from __future__ import annotations

import sys
from pathlib import Path

from cytopipe import paths
from cytopipe.errors import CytopipeError
from cytopipe.files import write_text

README = Path("README.md")
BEGIN, END = "<!-- demo:begin -->", "<!-- demo:end -->"
DEMO = paths.PRESETS / "demo.yaml"


def with_demo(readme: str, leaderboard: str) -> str:
    """The README with the leaderboard between the markers, the datasets' headings in bold."""
    before, rest = readme.split(BEGIN)
    after = rest.split(END)[1]
    lines = (line for line in leaderboard.splitlines() if not line.startswith("# "))
    body = "\n".join(f"**{line[3:]}**" if line.startswith("## ") else line for line in lines).strip()
    source = "(`make repro`; the table is `results/leaderboard.md`, put here by `python docs/readme.py`)"
    return f"{before}{BEGIN}\n{body}\n\n{source}\n{END}{after}"


def main() -> None:
    """Update README.md, where the results are the demo's."""
    if paths.PARAMS.read_bytes() != DEMO.read_bytes():
        raise CytopipeError("params.yaml is not the demo preset", hint="cytopipe preset demo && make repro")
    write_text(README, with_demo(README.read_text(encoding="utf-8"), paths.LEADERBOARD_MD.read_text(encoding="utf-8")))


if __name__ == "__main__":
    try:
        main()
    except CytopipeError as error:
        sys.exit(f"error: {error}")
