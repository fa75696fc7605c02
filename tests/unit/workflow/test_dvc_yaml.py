"""dvc.yaml against what it names: scripts, paths and parameters, for every preset."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from workflow.dag import Dag, Rule

from cytopipe import paths
from cytopipe.evaluation import distribution
from cytopipe.metrics import curves, screening
from cytopipe.params import SPLITS, Params, load_params

ROOT = Path(__file__).resolve().parents[3]
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PRESETS = sorted((ROOT / "workflow/presets").glob("*.yaml"))
ITEMS = {
    **dict.fromkeys(("download", "organize", "generate_masks", "build_tensors", "audit"), "datasets"),
    "train_segmenter": "segmenters",
    **dict.fromkeys(("train_classifier", "evaluate", "explain"), "classifiers"),
    "evaluate_screening": "screenings",
    "compare": None,
    "report": None,
}
CURVES = ("confusion", "roc", "pr", "reliability", "decision", "coverage")
# Parameters that change no byte of any output, so that no stage depends on them.
WITHOUT_EFFECT = ("tracking.", "runtime.num_workers")

Make = Callable[[Path | dict[str, Any]], Path]


def script(stage: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"stages_{stage}", ROOT / f"stages/{stage}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def leaves(values: Any, key: str = "") -> Iterator[str]:
    if isinstance(values, dict) and values:
        for name, value in values.items():
            yield from leaves(value, f"{key}.{name}".lstrip("."))
    else:
        yield key


def written(stage: str, item: str) -> list[Path]:
    """What cytopipe.paths says that a stage writes."""
    raw, organized, masks, tensors = paths.Raw(item), paths.Organized(item), paths.Masks(item), paths.Tensors(item)
    segmenter, classifier, explained = paths.segmenter(item), paths.classifier(item), paths.Explained(item)
    screened = paths.Screened(item)
    return {
        "download": [raw.files, raw.manifest],
        "organize": [
            *(organized.folder / split for split in SPLITS),
            organized.masks,
            organized.summary,
            organized.manifest,
        ],
        "train_segmenter": [
            segmenter.model,
            segmenter.predictions,
            segmenter.metrics,
            *(segmenter.training / name for name in ("history.csv", "loss.csv", "dice.csv", "curves.png")),
            *(segmenter.plots / f"distribution.{kind}" for kind in ("csv", "png")),
        ],
        "generate_masks": [masks.predicted, masks.manifest, masks.segmenter],
        "build_tensors": [*(tensors.array(split) for split in SPLITS), tensors.manifest],
        "audit": [paths.Audit(item).findings, paths.Audit(item).figures],
        "train_classifier": [
            classifier.model,
            *(classifier.training / name for name in ("history.csv", "loss.csv", "accuracy.csv", "curves.png")),
        ],
        "evaluate": [
            classifier.predictions,
            classifier.summary,
            classifier.metrics,
            *(classifier.plots / f"{name}.{kind}" for name in CURVES for kind in ("csv", "png")),
        ],
        "explain": [
            explained.summary,
            explained.panels,
            *(explained.plots / f"{name}.csv" for name in ("shares", "deletion", "insertion")),
            *(explained.plots / f"{name}.png" for name in ("shares", "perturbation")),
        ],
        "evaluate_screening": [
            *(screened.metrics, screened.detections, screened.fields, screened.figures),
            *(screened.plots / f"{name}.{kind}" for name in ("precision_recall", "counts") for kind in ("csv", "png")),
        ],
        "compare": [paths.LEADERBOARD_JSON, paths.LEADERBOARD_MD, paths.SCREENINGS],
        "report": [paths.REPORT, paths.CARDS],
    }[stage]


@pytest.fixture(scope="module", params=PRESETS, ids=lambda path: path.stem)
def preset(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture(scope="module")
def rules(preset: Path, project: Make) -> list[Rule]:
    return Dag(str(project(preset))).rules


def test_every_stage_has_a_script_of_its_name_and_every_script_a_stage() -> None:
    assert STAGES.keys() == {path.stem for path in (ROOT / "stages").glob("*.py")} == ITEMS.keys()


@pytest.mark.parametrize("stage", STAGES)
def test_the_command_runs_the_script_for_one_entry_of_the_right_section(stage: str) -> None:
    section = ITEMS[stage]
    body = STAGES[stage].get("do", STAGES[stage])
    assert STAGES[stage].get("foreach") == (f"${{{section}}}" if section else None)
    assert body["cmd"] == f"python stages/{stage}.py" + (" ${key}" if section else "")
    assert body["desc"]


def test_templates_resolve_to_one_stage_an_entry(preset: Path, rules: list[Rule]) -> None:
    values = yaml.safe_load(preset.read_text())
    names = {
        f"{stage}@{item}" if item else stage
        for stage, section in ITEMS.items()
        for item in (values[section] if section else [""])
    }
    assert {rule.name for rule in rules} == names
    assert "${" not in repr(rules)


def test_stages_write_what_paths_says(rules: list[Rule]) -> None:
    for rule in rules:
        expected = {path.as_posix() for path in written(rule.category, rule.name.partition("@")[2])}
        assert {out.path for out in rule.outputs} == expected, rule.name


def test_plots_have_a_template_and_columns_of_their_table() -> None:
    from dvc_render.vega_templates import TEMPLATES

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


def test_what_a_script_hashes_is_among_its_deps(preset: Path, rules: list[Rule]) -> None:
    params = load_params(preset)
    scripts = {stage: script(stage) for stage in STAGES}
    for rule in rules:
        for path in scripts[rule.category].inputs(params, rule.name.partition("@")[2]):
            assert path.as_posix() in rule.inputs, rule.name


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
        assert len(keys) == len(body["params"]), f"{rule.name} names a parameter that the preset lacks"
        for key in keys:
            value, given = parsed, named
            for part in key.split("."):
                value, given = value[part], given[part]


def test_every_parameter_reruns_some_stage(preset: Path, rules: list[Rule]) -> None:
    watched = {key.removeprefix("params.yaml:") for rule in rules for key in rule.params}
    for leaf in leaves(load_params(preset).model_dump(mode="json")):
        above = {leaf.rsplit(".", cut)[0] for cut in range(leaf.count(".") + 1)}
        assert above & watched or leaf.startswith(WITHOUT_EFFECT), leaf


def test_the_model_has_no_section_that_the_dag_overlooks() -> None:
    assert set(Params.model_fields) == {
        *("runtime", "tracking", "audit", "explain", "datasets", "segmenters", "classifiers", "screenings")
    }


def test_entries_of_a_preset_share_nothing(preset: Path) -> None:
    # `dvc exp run -S` sets a value in one entry; through a YAML alias it changes the others instead, or nothing.
    aliases = [event for event in yaml.parse(preset.read_text()) if isinstance(event, yaml.AliasEvent)]
    assert not aliases
