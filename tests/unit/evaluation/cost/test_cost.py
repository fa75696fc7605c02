"""The table of cost: what is read from a finished project, the front, and the figure."""

from __future__ import annotations

from pathlib import Path

import pytest

from cytopipe.evaluation.cost.figure import cost_figure
from cytopipe.evaluation.cost.table import Cost, Costs, front


def cost(name: str, accuracy: float, minutes: float | None, parameters: int) -> Cost:
    return Cost(
        name=name,
        dataset="cells",
        architecture="timm/x",
        images=100,
        accuracy=accuracy,
        low=accuracy - 0.05,
        high=accuracy + 0.05,
        parameters=parameters,
        cpu_minutes=minutes,
        threads=1,
    )


NETWORKS = (
    cost("small", 0.80, 1.0, 1_000),
    cost("slow", 0.79, 2.0, 500),
    cost("same", 0.80, 1.0, 2_000),
    cost("large", 0.90, 5.0, 9_000),
    cost("waste", 0.85, 9.0, 99_000),
    cost("unknown", 0.95, None, 50_000),
)


def test_the_front_is_what_no_network_beats() -> None:
    assert front(NETWORKS, "cpu_minutes") == {"same", "large"}  # of two alike, the first by name
    assert front(NETWORKS, "parameters") == {"slow", "small", "large", "unknown"}
    assert front((), "parameters") == set()


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_figure_is_drawn_and_the_same_each_time(suffix: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        cost_figure(tmp_path / f"{name}{suffix}", NETWORKS)
    first = (tmp_path / f"a{suffix}").read_bytes()
    assert len(first) > 5_000
    assert first == (tmp_path / f"b{suffix}").read_bytes()
    cost_figure(tmp_path / f"zero{suffix}", (cost("one", 0.05, 1.0, 10),))  # an interval from 0 on
    cost_figure(tmp_path / f"none{suffix}", (cost("one", 0.5, None, 10),))


def test_costs_are_read_as_they_were_written(tmp_path: Path) -> None:
    Costs(networks=NETWORKS).write(tmp_path / "networks.json")
    again = Costs.read(tmp_path / "networks.json")
    assert [one.cpu_minutes for one in again.networks] == [one.cpu_minutes for one in NETWORKS]
    assert again.networks[0].accuracy == 0.8 and list(again.datasets) == ["cells"] and len(again.of("cells")) == 6
