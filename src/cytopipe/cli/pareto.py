"""`cytopipe results --pareto`: what each network costs beside what it reaches."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cytopipe.cli.common import print_json, print_table
from cytopipe.errors import CytopipeError

if TYPE_CHECKING:
    from cytopipe.evaluation.cost.table import Cost, Costs

STORED = Path("docs/networks.json")
FRONTS = {"cpu_minutes": "t", "parameters": "p"}
LEGEND = (
    "front: no network here is cheaper and more accurate, by training time (t) or parameters (p). CPU minutes are of "
    "all threads together, and other programs change them little. Test images rank these networks only for this table: "
    "choose by validation."
)


def show_costs(as_json: bool, figure: Path | None, store: Path | None) -> None:
    """Print the costs of the finished classifiers, or the stored ones, and draw or store them where asked.

    Raises:
        CytopipeError: there is neither, or the figure has another suffix than .png or .svg.
    """
    from cytopipe.evaluation.cost.table import front

    found = read_costs()
    if figure:
        draw(found, figure)
    if store:
        found.write(store)
    if as_json:
        fronts = {name: {by: front(found.of(name), by) for by in FRONTS} for name in found.datasets}
        print_json(
            [
                dict(one) | {"front": [by for by in FRONTS if one.name in fronts[one.dataset][by]]}
                for one in found.networks
            ]
        )
        return
    for dataset in found.datasets:
        print_costs(found.of(dataset))
    print(LEGEND)


def read_costs() -> Costs:
    """The costs of the classifiers finished here; without any, the stored ones.

    Raises:
        CytopipeError: there are neither, or params.yaml or a result is invalid.
    """
    from cytopipe.evaluation.cost.table import Costs, costs_of

    found = costs_of()
    if found.networks:
        return found
    if not STORED.is_file():
        raise CytopipeError("no classifier is finished", where="results", hint="run the pipeline first: dvc repro")
    print(f"no classifier is finished here: these are the costs stored in {STORED}", file=sys.stderr)
    return Costs.read(STORED)


def draw(found: Costs, figure: Path) -> None:
    """Draw one figure; of several datasets, one for each, with the dataset in its name."""
    from cytopipe.evaluation.cost.figure import cost_figure

    if figure.suffix not in (".png", ".svg"):
        raise CytopipeError(f"'{figure}' is neither .png nor .svg", where="--figure")
    for dataset in found.datasets:
        several = len(found.datasets) > 1
        cost_figure(figure.with_stem(f"{figure.stem}-{dataset}") if several else figure, found.of(dataset))


def print_costs(networks: Sequence[Cost]) -> None:
    """Print the table of one dataset."""
    from cytopipe.evaluation.cost.table import front

    fronts = {mark: front(networks, by) for by, mark in FRONTS.items()}
    header = (networks[0].dataset, "accuracy", "95 %", "CPU min", "parameters", "front")
    rows = [
        (
            one.name,
            f"{one.accuracy:.3f}",
            "-" if one.low is None or one.high is None else f"{one.low:.3f} to {one.high:.3f}",
            "-" if one.cpu_minutes is None else f"{one.cpu_minutes:.2f}",
            f"{one.parameters:,}",
            " ".join(mark for mark, names in fronts.items() if one.name in names),
        )
        for one in networks
    ]
    print_table(header, rows, right=("accuracy", "CPU min", "parameters"))
    print()
