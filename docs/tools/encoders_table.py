"""Write the tables of encoders into docs/embeddings.md, from docs/encoders.json.

python benchmarks/encoders.py --archives FOLDER --weights FOLDER --write
python docs/tools/encoders_table.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cytopipe.core.io.atomic import write_text
from cytopipe.core.io.tables import markdown
from cytopipe.evaluation.comparison.encoders import letters_of
from cytopipe.evaluation.comparison.leaderboard import LEADING, number_text, range_text
from cytopipe.results.embeddings import EncoderTable
from result_tables import with_table

PAGE, MEASURED = Path("docs/embeddings.md"), Path("docs/encoders.json")
_HEADER = ("encoder", "features", "probe", "accuracy (95 %)", "macro F1", "AUC", "letters", "seconds")


def encoders_tables(measured: dict[str, Any]) -> str:
    """One table for each dataset, best accuracy first."""
    parts = []
    for dataset, values in measured["tables"].items():
        table = EncoderTable.model_validate_json(json.dumps(values))
        letters, seconds = letters_of(table), measured["seconds"]
        rows = [
            (
                f"`{row.name}`",
                str(row.dimension),
                row.probe,
                f"{number_text(row.metrics[LEADING].value)} ({range_text(row.metrics[LEADING])})",
                *(f"{row.metrics[key].value or 0:.3f}" for key in ("macro_f1", "auc")),
                letters[row.name],
                str(seconds[row.name]),
            )
            for row in table.encoders
        ]
        about = f"`{dataset}`: {table.test_images} test images of {table.test_groups} groups."
        parts.append(f"{about}\n\n{markdown(_HEADER, rows)}")
    return "\n".join(parts)


def written(page: str, root: Path) -> str:
    """The page with the tables."""
    return with_table(page, "encoders", root / MEASURED, encoders_tables)


if __name__ == "__main__":
    write_text(PAGE, written(PAGE.read_text(encoding="utf-8"), Path()))
