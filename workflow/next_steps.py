"""The last output of `make repro`: the leaderboard, what to look at next, and the verdict of `cytopipe verify`."""

from __future__ import annotations

from pathlib import Path

from cytopipe import paths
from cytopipe.errors import CytopipeError
from cytopipe.verify import verify


def main() -> None:
    """Print the leaderboard, the next steps and the verdict of `cytopipe verify`."""
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
    print(f"\n{verdict()}")


def verdict() -> str:
    """One line: whether the run agrees with the dvc.lock of the last commit, and why dvc.lock differs from it."""
    try:
        return verify(Path()).line
    except CytopipeError as error:  # outside of git, say: the run itself is fine
        return f"verify: nothing to compare: {error.what}"


if __name__ == "__main__":
    main()
