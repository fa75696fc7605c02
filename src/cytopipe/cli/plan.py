"""`cytopipe plan`: how many patients a test needs for an interval of a wanted width."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cytopipe.cli.common import AsJson, Debug, clear_errors, print_json, print_table
from cytopipe.errors import CytopipeError

if TYPE_CHECKING:
    from cytopipe.evaluation.planning.groups import Plan
    from cytopipe.evaluation.planning.pilot import Pilot

METRICS = ("accuracy", "sensitivity", "specificity", "auc", "dice_cell", "dice_nucleus", "dice_cytoplasm")
Model = Annotated[
    str | None,
    typer.Argument(
        metavar="[MODEL]", help="Pilot: a finished classifier or segmenter of this project, or a predictions.csv."
    ),
]
Width = Annotated[float, typer.Option("--width", min=0.0001, max=0.9999, help="Wanted width of the 95 % interval.")]
Metric = Annotated[
    list[str] | None,
    typer.Option(
        "--metric", metavar="NAME", help=f"Number to plan for, by default all that the pilot has: {', '.join(METRICS)}."
    ),
]
Images = Annotated[
    list[int] | None,
    typer.Option(
        "--images-per-group", min=1, max=1_000_000,
        help="Images of each patient (slide) that count; by default as in the pilot. Several are compared.",
    ),
]  # fmt: skip
Value = Annotated[
    float | None, typer.Option("--value", min=0, max=1, help="Without a pilot: the expected value of the metric.")
]
Icc = Annotated[
    float | None,
    typer.Option("--icc", min=0, max=1, help="Without a pilot: the intraclass correlation within patients."),
]
Deviation = Annotated[
    float | None, typer.Option("--sd", min=0.0001, max=0.5, help="Without a pilot: deviation of Dice between images.")
]
Prevalence = Annotated[
    float,
    typer.Option("--prevalence", min=0.001, max=0.999, help="Without a pilot: share of abnormal images, for auc."),
]


def command(
    model: Model = None,
    width: Width = 0.1,
    metric: Metric = None,
    images: Images = None,
    value: Value = None,
    icc: Icc = None,
    deviation: Deviation = None,
    prevalence: Prevalence = 0.5,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Plan a test: how many patients give an interval of a wanted width.

    The variance between patients comes from a pilot, at least 5 patients that a finished model was tested on, or from
    numbers that you give. `cautious` is the number for the upper 80 % limit of the pilot's variance: small pilots
    often see too little of it.

    \b
    Examples:
      cytopipe plan attention-masks --width 0.05
      cytopipe plan attention-masks --metric sensitivity --images-per-group 10 --images-per-group 50
      cytopipe plan --metric accuracy --value 0.95 --icc 0.1 --images-per-group 20 --width 0.05 --json
    """
    from cytopipe.evaluation.planning.groups import plan

    with clear_errors(debug):
        if unknown := [name for name in metric or () if name not in METRICS]:
            raise CytopipeError(f"'{unknown[0]}' cannot be planned for", where="--metric", hint=", ".join(METRICS))
        found = (
            _given(metric, images, value, icc, deviation, prevalence)
            if model is None
            else _of(model, metric, {"--value": value, "--icc": icc, "--sd": deviation})
        )
        plans = [plan(name, pilot, width, images or ()) for name, pilot in found.items()]
        if as_json:
            print_json([as_values(one) for one in plans])
        else:
            show(plans, model)


def _of(model: str, wanted: list[str] | None, assumed: Mapping[str, float | None]) -> dict[str, Pilot]:
    """The numbers of a finished model, which takes none of those that are given without a pilot."""
    from cytopipe.evaluation.planning.finished import pilots

    for option, value in assumed.items():
        if value is not None:
            raise CytopipeError("a pilot has its own value", where=option, hint="give a model or numbers, not both")
    found = pilots(model, wanted=wanted)
    for name in wanted or ():
        if name not in found:
            raise CytopipeError(f"the pilot has no {name}", where="--metric", hint=f"it has {', '.join(found)}")
    return found


def _given(
    metric: list[str] | None,
    images: list[int] | None,
    value: float | None,
    icc: float | None,
    deviation: float | None,
    prevalence: float,
) -> dict[str, Pilot]:
    """Numbers that somebody gives for one metric."""
    from cytopipe.evaluation.planning.pilot import given

    if value is None or icc is None or not images or len(metric or ()) != 1:
        raise CytopipeError(
            "there is no pilot to plan from",
            where="cytopipe plan",
            hint="name a finished model, or give --metric, --value, --icc and --images-per-group",
        )
    assert metric
    return {metric[0]: given(metric[0], value, icc, images[0], deviation=deviation, prevalence=prevalence)}


def as_values(one: Plan) -> dict[str, Any]:
    """A plan as JSON."""
    pilot = one.pilot
    return {
        "metric": one.metric,
        "value": round(pilot.value, 6),
        "width": one.width,
        "pilot_groups": pilot.groups,
        "images_per_group": round(pilot.images, 3),
        "icc": round(pilot.alike, 6),
        "design_effect": round(pilot.design_effect, 6),
        "groups": one.groups,
        "groups_cautious": one.cautious,
        "groups_in_all": one.in_all,
        "images": round(one.groups * pilot.images),
        "by_images_per_group": [
            {"images_per_group": each.images_per_group, "groups": each.groups, "groups_cautious": each.cautious}
            for each in one.choices
        ],
    }


def show(plans: list[Plan], model: str | None) -> None:
    """Print two tables: what is needed, and what it would be with other numbers of images of each patient."""
    header = ("metric", "value", "groups of pilot", "images/group", "ICC", "design effect", "width", "groups",
              "cautious", "in all", "images")  # fmt: skip
    rows = []
    for one in plans:
        pilot = one.pilot
        rows.append((one.metric, f"{pilot.value:.3f}", str(pilot.groups or "-"), f"{pilot.images:.1f}",
                     f"{pilot.alike:.3f}", f"{pilot.design_effect:.2f}", f"{one.width:g}", f"{one.groups:,}",
                     f"{one.cautious:,}", f"{one.in_all:,}", f"{one.groups * pilot.images:,.0f}"))  # fmt: skip
    print_table(header, rows, right=header[1:])
    print()
    table = ("metric", "images/group", "groups", "cautious")
    lines = [
        (one.metric, f"{each.images_per_group:g}", f"{each.groups:,}", f"{each.cautious:,}")
        for one in plans
        for each in one.choices
    ]
    print_table(table, lines, right=table[1:])
    if any(one.pilot.value in (0, 1) for one in plans):
        print("no variation is seen where every answer is right: an ICC of .1 is assumed there", file=sys.stderr)
