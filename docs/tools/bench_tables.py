"""Write the tables of docs/speed.md between their markers, from docs/bench.json.

python docs/tools/bench_tables.py     after `make bench`
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cytopipe.core.io.atomic import write_text
from cytopipe.core.io.tables import markdown
from cytopipe.errors import CytopipeError
from result_tables import between

BENCH = Path("docs/bench.json")
PAGE = Path("docs/speed.md")
NOT_MEASURED = "Not measured yet."
Part = Mapping[str, Any]


def machine(bench: Part) -> str:
    """What was measured, and on what."""
    load = bench["load_before"][0]
    alone = "idle" if load < 0.5 else f"not idle (load {load} before the first measurement)"
    return f"`{bench['command']}` on {bench['processor']}: {bench['cores']} cores, {alone}; preset `{bench['preset']}`."


def first_run(part: Part) -> str:
    """Seconds of each stage, and of the engine."""
    rows = []
    for name, stage in part["stages"].items():
        seconds = [stage["networks"], stage["imports"], stage["rest"]]
        rows.append((name, str(stage["runs"]), *(f"{value:.0f}" for value in [*seconds, sum(seconds)])))
    rows.append(("DVC, start of Python", "", "", "", "", f"{part['engine']:.0f}"))
    rows.append(("in all", str(sum(one["runs"] for one in part["stages"].values())), *_totals(part)))
    disk = part["disk"]
    return (
        markdown(("stage", "runs", "networks, s", "imports, s", "rest, s", "in all, s"), rows)
        + f"\nThe disk's peak was {disk['peak_mib']:.0f} MiB, {disk['ratio']} times the bytes of the outputs."
    )


def _totals(part: Part) -> list[str]:
    sums = [sum(one[key] for one in part["stages"].values()) for key in ("networks", "imports", "rest")]
    return [f"{value:.0f}" for value in (*sums, part["seconds"])]


def processes(part: Part) -> str:
    """Images per second of the stages with one and with several processes."""
    one, more = part["processes"]
    stages = {name: stage for name, stage in part.items() if name not in ("images", "processes")}
    rows = [
        (
            name.replace("all", "in all"),
            *(f"{rate:,.0f}" for rate in stage["images_per_second"]),
            f"{stage['ratio']:.2f}",
            *(str(peak) for peak in stage["peak_mib"]),
        )
        for name, stage in stages.items()
    ]
    header = ("stage", f"images/s, {one} process", f"{more} processes", "ratio", f"MiB, {one}", f"MiB, {more}")
    return f"{part['images']:,} images.\n\n{markdown(header, rows)}"


def networks(part: Part) -> str:
    """Training with real data over a resident batch."""
    rows = [
        (name, f"{one['images_per_second']:,}", f"{one['ratio']:.3f}", f"{one['low']:.3f} to {one['high']:.3f}")
        for name, one in part["networks"].items()
    ]
    return markdown(("network", "images/s", "over a resident batch", "lowest to highest"), rows)


def loading(part: Part) -> str:
    """The loader beside torchvision's, images per second and core."""
    rows = [
        (size.replace("px", " px"), f"{one['cytopipe']:,}", f"{one['torchvision']:,}", f"{one['ratio']:.1f}")
        for size, one in part["loading"].items()
    ]
    return markdown(("size", "cytopipe", "ImageFolder", "ratio"), rows)


def seeds(part: Part) -> str:
    """Training beside the way of the published systems, images per second."""
    rows = [
        (name, f"{one['cytopipe']:,}", f"{one['published']:,}", f"{one['ratio']:.2f}")
        for name, one in part["seeds"].items()
    ]
    return markdown(("network", "cytopipe", "published way", "ratio"), rows)


def noop(part: Part) -> str:
    """A run with nothing to do beside the bare engine."""
    rows = [
        (name, *(f"{part[name][side]:.2f}" for side in ("cytopipe", "bare", "ratio"))) for name in ("dvc", "snakemake")
    ]
    note = f"{part['output_files']:,} files of outputs.\n\n"
    return note + markdown(("engine", "cytopipe, s", "bare engine, s", "ratio"), rows)


def others(bench: Part) -> str:
    """The measurements of one number each."""
    rows = []
    if part := bench.get("memory"):
        few, many = part["images"]
        rows.append((f"peak memory of build_tensors, {many:,} images over {few:,}", f"{part['ratio']:.2f}"))
    if part := bench.get("portable"):
        rows.append(("a training step, `cpu: portable` over `native`", f"{part['ratio']:.2f}"))
    if part := bench.get("neighbours"):
        row = f"a training beside {part['busy_processes']} busy processes over alone, wall time"
        rows.append((row, f"{part['asleep']['wall']:.2f}"))
        rows.append(("the same where idle threads spin", f"{part['spinning']['wall']:.2f}"))
    if part := bench.get("accelerator"):
        rows.append(("values that the host reads back in a step of training", f"{part['reads_in_a_step']:g}"))
        for place in ("host", "device"):
            busy = part["busy_share"][f"augment_on_{place}_queued"]["busy"]
            rows.append((f"busy share of a stand-in for a GPU, `augment_on: {place}`", f"{busy:.2f}"))
    for kind in ("classifier", "segmenter"):
        for batch in ("batch_1", "batch_32"):
            if part := bench.get("exported", {}).get(kind):
                row = f"ONNX Runtime, times as fast as torch: {kind}, {batch.replace('_', ' of ')}"
                rows.append((row, f"{part[batch]['ratio']:.1f}"))
    return markdown(("", "measured"), rows) if rows else NOT_MEASURED


def peers(part: Part) -> str:
    """cytopipe and other programs after the same minutes of training."""
    rows = []
    for name, one in part["contenders"].items():
        if "accuracy" in one:
            score = f"accuracy {one['accuracy']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
        else:
            score = f"Dice {one['dice_cell']:.3f} cell, {one['dice_nucleus']:.3f} nucleus"
        rows.append((name, score, f"{one['images_per_s']:,.0f}", f"{one['peak_mib']:,.0f}"))
    note = f"{part['minutes']:g} minutes of training each, {part['cores']} cores (`{part['command']}`).\n\n"
    return note + markdown(("", "test images", "images/s", "peak, MiB"), rows)


TABLES: dict[str, tuple[str, Callable[[Part], str]]] = {
    "first-run": ("first_run", first_run),
    "processes": ("processes", processes),
    "networks": ("throughput", networks),
    "loading": ("throughput", loading),
    "seeds": ("throughput", seeds),
    "noop": ("noop", noop),
    "peers": ("peers", peers),
}


def page(text: str, bench: Part) -> str:
    """The page with all tables renewed; a part that was not measured says so."""
    text = between(text, "machine", machine(bench))
    for mark, (name, table) in TABLES.items():
        text = between(text, mark, table(bench[name]) if name in bench else NOT_MEASURED)
    return between(text, "others", others(bench))


def main() -> None:
    """Renew the page."""
    write_text(PAGE, page(PAGE.read_text(encoding="utf-8"), json.loads(BENCH.read_text())))
    print(PAGE)


if __name__ == "__main__":
    try:
        main()
    except CytopipeError as error:
        sys.exit(f"error: {error}")
