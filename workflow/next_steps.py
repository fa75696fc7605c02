"""The last output of `make repro`: the leaderboard and what to look at next."""

from __future__ import annotations

from pathlib import Path

from cytopipe import paths


def main() -> None:
    """Print the leaderboard and the next steps."""
    print()
    print(paths.LEADERBOARD_MD.read_text(encoding="utf-8"))
    figures = sorted(Path("results/classifiers").glob("*/figures/confusion.png"))
    steps = {
        paths.REPORT.as_posix(): "the report, with images and explanations: open it in a browser",
        paths.LEADERBOARD_MD.as_posix(): "this table; leaderboard.json for programs",
        figures[0].as_posix() if figures else "results/": "a confusion matrix; ROC and predictions are next to it",
        "make demo-page": "the app: drop an image of a cell or a field and see the predictions",
        "make ui": "compare the runs in MLflow, http://127.0.0.1:5000",
        ".venv/bin/dvc plots show": "the curves of all classifiers on one page",
        "README.md": "'Your own images'",
    }
    width = max(map(len, steps))
    print("Next:", *(f"  {step.ljust(width)}  {what}" for step, what in steps.items()), sep="\n")


if __name__ == "__main__":
    main()
