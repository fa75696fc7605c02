"""Run `--help` of every stage script in one process, and print which heavy libraries that imported.

python show_help.py STAGES
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


def main(stages: Path) -> None:
    for script in sorted(stages.glob("*.py")):
        sys.argv = [str(script), "--help"]
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:
            print("exit", end.code)
    print(*sorted({"torch", "mlflow"} & set(sys.modules)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
