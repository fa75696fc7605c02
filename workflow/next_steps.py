"""The last output of `make repro`: the leaderboard, what to look at next, and the verdict of `cytopipe verify`.

After a pass that failed (`next_steps.py failed`): the stages that failed, where their logs are, and how to resume.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cytopipe import paths
from cytopipe.core.pipeline.last_runs import last_run
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


def failed() -> str:
    """What failed in the last pass, by what its stages left, and how to go on."""
    labels = sorted(file.stem for file in paths.TIMES.glob("*.json") if last_run(file.stem).failed)
    lines = ["", "The pass ended early. Failed:" if labels else "The pass ended before a stage could say why."]
    lines += [f"  {label}: {last_words(label)}\n    log: {paths.LOGS / label}.log" for label in labels]
    lines += [
        "Finished stages are kept, and a training goes on after its last epoch. Mend what the log says, then resume by",
        "the same command; `cytopipe status` shows what is left and how long it took last time.",
    ]
    return "\n".join(lines)


def last_words(label: str) -> str:
    """The last error in a stage's log."""
    try:
        text = (paths.LOGS / f"{label}.log").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "no log"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if line.startswith("error in ")), lines[-1] if lines else "no log")


def verdict() -> str:
    """One line: whether the run agrees with the dvc.lock of the last commit, and why dvc.lock differs from it."""
    try:
        return verify(Path()).line
    except CytopipeError as error:  # outside of git, say: the run itself is fine
        return f"verify: nothing to compare: {error.what}"


if __name__ == "__main__":
    print(failed(), file=sys.stderr) if sys.argv[1:] == ["failed"] else main()
