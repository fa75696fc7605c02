"""dvc.yaml names existing scripts, paths and parameters, for every preset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.dependency import ParamsDependency
from dvc.repo import Repo
from workflow.dag import Dag, Rule

from cytopipe.core.params import Params, load_params
from cytopipe.core.pipeline.description import Description, read_description
from cytopipe.evaluation.segmenter import distribution
from cytopipe.metrics import curves, screening

ROOT = Path(__file__).resolve().parents[3]
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PRESETS = sorted((ROOT / "workflow/presets").glob("*.yaml"))
# Parameters that change no byte of any output, so that no stage depends on them.
WITHOUT_EFFECT = ("tracking.", "runtime.num_workers")
# Sections that a params.yaml need not have, and that no stage depends on while they are empty.
OPTIONAL = {"embeddings", "searches", "slides"}

Make = Callable[[Path | dict[str, Any]], Path]


def leaves(values: Any, key: str = "") -> Iterator[str]:
    if isinstance(values, dict) and values:
        for name, value in values.items():
            yield from leaves(value, f"{key}.{name}".lstrip("."))
    else:
        yield key


@pytest.fixture(scope="module", params=PRESETS, ids=lambda path: path.stem)
def preset(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture(scope="module")
def rules(preset: Path, project: Make) -> list[Rule]:
    return Dag(str(project(preset))).rules


@pytest.fixture(scope="module")
def description() -> Description:
    return read_description(ROOT / "dvc.yaml")


def test_every_stage_has_a_script_of_its_name_and_every_script_a_stage() -> None:
    assert STAGES.keys() == {path.stem for path in (ROOT / "stages").glob("*.py")}


@pytest.mark.parametrize("stage", STAGES)
def test_the_command_runs_the_script_for_one_entry(stage: str, description: Description) -> None:
    body = STAGES[stage].get("do", STAGES[stage])
    assert body["cmd"] == f"python stages/{stage}.py" + (" ${key}" if description.stages[stage].section else "")
    assert body["desc"]


def test_stage_scripts_read_the_templates_as_dvc_does(preset: Path, project: Make, description: Description) -> None:
    values = load_params(preset).model_dump(mode="json")
    for stage in Repo(str(project(preset))).index.stages:
        name, _, item = stage.name.partition("@")
        own = description.stages[name]
        assert bool(item) == bool(own.section)
        deps = [dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)]
        assert own.resolve(own.deps, item, values) == deps, stage.name
        assert sorted(own.resolve(own.outs, item, values)) == sorted(out.def_path for out in stage.outs), stage.name


def test_templates_resolve_to_one_stage_per_entry(preset: Path, rules: list[Rule], description: Description) -> None:
    values = yaml.safe_load(preset.read_text())
    names = {
        f"{stage.name}@{item}" if item else stage.name
        for stage in description.stages.values()
        for item in (values.get(stage.section, {}) if stage.section else [""])
    }
    assert {rule.name for rule in rules} == names
    assert "${" not in repr(rules)


def test_plots_have_a_template_and_columns_of_their_table() -> None:
    from dvc_render.vega_templates import TEMPLATES  # type: ignore[import-untyped]  # without types of its own

    columns = {
        "roc": curves.ROC,
        "pr": curves.PR,
        "reliability": curves.RELIABILITY,
        "decision": curves.DECISION,
        "coverage": curves.COVERAGE,
        "distribution": distribution.COLUMNS,
        "precision_recall": screening.PR_COLUMNS,
        "counts": screening.COUNT_COLUMNS,
    }
    own = {path.stem for path in (ROOT / ".dvc/plots").glob("*.json")}
    shown = [plot for stage in STAGES.values() for plot in stage.get("do", stage).get("plots", ())]
    settings = {Path(path).stem: plot for one in shown if isinstance(one, dict) for path, plot in one.items()}
    assert {plot["template"] for plot in settings.values()} <= own | {one.DEFAULT_NAME for one in TEMPLATES}
    for name, names in columns.items():
        assert {settings[name]["x"], settings[name]["y"]} <= set(names), name
    assert own <= {plot["template"] for plot in settings.values()}, "a template that no plot uses"


def test_meta_says_what_a_stage_needs_of_a_machine(preset: Path, rules: list[Rule]) -> None:
    threads = load_params(preset).runtime.num_threads
    for rule in rules:
        assert rule.meta.keys() == {"threads", "gpu", "mem_mb", "runtime"}, rule.name
        assert all(type(value) is int for value in rule.meta.values()), rule.name
        computes = rule.meta["gpu"] or rule.category == "audit"
        assert rule.meta["threads"] == (threads if computes else 1), rule.name
        assert rule.meta["mem_mb"] >= 1000 and rule.meta["runtime"] >= 10


def test_params_of_every_stage_exist_in_the_model_and_in_the_preset(preset: Path, rules: list[Rule]) -> None:
    parsed = load_params(preset).model_dump(mode="json")
    named = yaml.safe_load(preset.read_text())
    for rule in rules:
        body = STAGES[rule.category].get("do", STAGES[rule.category])
        keys = [key.partition(":")[2] for key in rule.params if key.startswith("params.yaml:")]
        assert len(keys) == len(body.get("params", ())), f"{rule.name} names a parameter that the preset lacks"
        for key in keys:
            value, given = parsed, named
            for part in key.split("."):
                value, given = value[part], given[part]


def test_every_parameter_reruns_some_stage(preset: Path, rules: list[Rule]) -> None:
    watched = {key.removeprefix("params.yaml:") for rule in rules for key in rule.params}
    for leaf in leaves(load_params(preset).model_dump(mode="json")):
        above = {leaf.rsplit(".", cut)[0] for cut in range(leaf.count(".") + 1)}
        assert above & watched or leaf.startswith(WITHOUT_EFFECT) or leaf in OPTIONAL, leaf


def test_the_model_has_no_section_that_the_dag_overlooks() -> None:
    assert set(Params.model_fields) == {
        *("runtime", "tracking", "audit", "explain", "datasets", "segmenters", "classifiers", "screenings"),
        *("evaluations", "embeddings", "searches", "slides"),
    }


def test_entries_of_a_preset_share_nothing(preset: Path) -> None:
    # `dvc exp run -S` sets a value in one entry; through a YAML alias it changes the others instead, or nothing.
    aliases = [event for event in yaml.parse(preset.read_text()) if isinstance(event, yaml.AliasEvent)]
    assert not aliases
