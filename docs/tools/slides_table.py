"""Write the table of speed and memory into docs/slides.md, from docs/slides.json.

python benchmarks/slides.py --project FOLDER --write
python docs/tools/slides_table.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cytopipe.core.io.atomic import write_text
from cytopipe.core.io.tables import markdown
from result_tables import with_table

PAGE, MEASURED = Path("docs/slides.md"), Path("docs/slides.json")


def slides_table(measured: dict[str, Any]) -> str:
    """The speed of one core, and the peak memory for a small and a large slide."""
    speed, memory = measured["speed"], measured["memory"]
    detector, classifier = (f"`{name}`" for name in speed["models"])
    (height, width), (tall, wide) = memory["pixels"]
    rows = [
        ("models", f"{detector}, {classifier}"),
        ("tiles, of these empty", f"{speed['tiles']} of {speed['tile']} px, {speed['empty']}"),
        (f"mm² with tissue a second and core, at {speed['mpp']:g} µm a pixel", f"{speed['mm2_per_second']:.2g}"),
        ("cells a second and core", f"{speed['cells_per_second']:.2g}"),
        ("share of the speed of the same tiles in memory", f"{speed['share_of_model_speed']:.3f}"),
        ("pixels read with margins, for one of a tile", f"{speed['pixels_with_margins']:.2f}"),
        (f"peak memory, {width:,} x {height:,} px", f"{memory['peak_mib'][0]:,} MiB"),
        (f"peak memory, {wide:,} x {tall:,} px", f"{memory['peak_mib'][1]:,} MiB ({memory['ratio']:.2f} times)"),
    ]
    return f"{markdown(('', 'one core'), rows)}\n\n(`{measured['command']}`, a finished demo)"


def written(page: str, root: Path) -> str:
    """The page with the table."""
    return with_table(page, "slides", root / MEASURED, slides_table)


if __name__ == "__main__":
    write_text(PAGE, written(PAGE.read_text(encoding="utf-8"), Path()))
