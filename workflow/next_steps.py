"""The last words of `make repro`: the results, and what to open next."""

from __future__ import annotations

from pathlib import Path

from cytopipe import paths


def main() -> None:
    """Print the leaderboard and the places to look at."""
    print()
    print(paths.LEADERBOARD_MD.read_text(encoding="utf-8"))
    figures = sorted(Path("results/classifiers").glob("*/plots/confusion.png"))
    print("Next:")
    print(f"  {paths.LEADERBOARD_MD}   this table (and .json)")
    print(f"  {figures[0] if figures else 'results/'}   a confusion matrix; its neighbours hold ROC and predictions")
    print("  make ui                  compare the runs in MLflow, http://127.0.0.1:5000")
    print("  .venv/bin/dvc plots show   the curves of every classifier in one page")
    print("  README.md                'Your own images'")


if __name__ == "__main__":
    main()
