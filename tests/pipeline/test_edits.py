"""The stages that an edit reruns, and the commands of DVC and Snakemake that users type."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from engine_projects import Project

pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(900)]
in_group_of_dvc = pytest.mark.xdist_group("dvc")
in_group_of_snakemake = pytest.mark.xdist_group("snakemake")

CLASSIFIERS = ("masks", "resnet-rgb", "resnet-masked")
RATE = "classifiers.masks.training.learning_rate"
LIBRARY = "src/cytopipe/evaluation/comparison/leaderboard.py"
GATE = "src/cytopipe/gate/table.py"  # of a package that no stage depends on
TEMPLATE = "src/cytopipe/report/templates/script.js"
CURVES = ("confusion", "coverage", "decision", "pr", "reliability", "roc")
WEIGHTS = "workflow/weights/none"  # what `pretrained` of every network names
CORRECTIONS = "workflow/corrections/README.md"  # in the folder of tables that organize watches
ADDED = {
    **{LIBRARY: "\n# a comment\n", GATE: "\n# a comment\n", TEMPLATE: "\n// a comment\n"},
    **{WEIGHTS: "other weights\n", CORRECTIONS: "\nMore.\n"},
}

# edit: stages that it concerns themselves (DVC asks the others when these have run), and all that Snakemake foresees
TRAINED = {f"train_classifier@{name}" for name in CLASSIFIERS}
EVALUATED = {f"evaluate@{name}" for name in CLASSIFIERS}
EXPLAINED = {f"explain@{name}" for name in CLASSIFIERS}
SCREENED = {"evaluate_screening@fields"}
FROM_THE_SEGMENTER_ON = {
    *("train_segmenter@unet", "generate_masks@tiny", "build_tensors@tiny", "audit@tiny", "compare", "report"),
    *(*TRAINED, *EVALUATED, *EXPLAINED, *SCREENED),
}
EDITS = {
    RATE: (
        0.003,
        {"train_classifier@masks", "compare"},
        {"train_classifier@masks", "evaluate@masks", "explain@masks", "compare", "report"},
    ),
    "datasets.tiny.image_size": (
        40,
        {"build_tensors@tiny", "report"},
        {"build_tensors@tiny", "audit@tiny", *TRAINED, *EVALUATED, *EXPLAINED, *SCREENED, "compare", "report"},
    ),
    "screenings.fields.margin": (0.2, {*SCREENED, "compare"}, {*SCREENED, "compare", "report"}),
    "explain.images": (1, {*EXPLAINED, "report"}, {*EXPLAINED, "report"}),
    "audit": ("off", {"audit@tiny", "report"}, {"audit@tiny", "report"}),
    "runtime.num_workers": (0, set(), set()),
    "tracking.experiment": ("another", set(), set()),
    GATE: (None, set(), set()),
    LIBRARY: (None, {"compare", "report"}, {"compare", "report"}),
    TEMPLATE: (None, {"report"}, {"report"}),
    WEIGHTS: (None, {"train_segmenter@unet", *TRAINED}, FROM_THE_SEGMENTER_ON),
    CORRECTIONS: (None, {"organize@tiny"}, {"organize@tiny", *FROM_THE_SEGMENTER_ON}),
}


def undo(project: Project, what: str) -> None:
    """Put the edited file back; git would rewrite every file of a folder, and its time with it."""
    project.run("git", "checkout", "--quiet", what if what in ADDED else "params.yaml")


def edit(project: Project, what: str) -> None:
    if what in ADDED:
        with (project.folder / what).open("a") as file:
            file.write(ADDED[what])
    else:
        project.edit_params(what, EDITS[what][0])


@in_group_of_dvc
def test_an_edit_concerns_exactly_the_stages_that_depend_on_it(dvc_copy: Project) -> None:
    for what, (_, concerned, _) in EDITS.items():
        edit(dvc_copy, what)
        assert set(dvc_copy.dvc("repro", "--dry")) == concerned, what
        undo(dvc_copy, what)


@in_group_of_snakemake
def test_snakemake_foresees_all_that_an_edit_reruns(snakemake_copy: Project) -> None:
    for what, (_, _, foreseen) in EDITS.items():
        edit(snakemake_copy, what)
        assert snakemake_copy.dry() == foreseen, what
        undo(snakemake_copy, what)


@pytest.mark.xdist_group("experiments")
def test_dvcs_commands_work_as_their_users_expect(dvc_copy: Project) -> None:
    dvc_copy.commit()
    dvc_copy.edit_params(RATE, 0.003)
    assert RATE in dvc_copy.run("dvc", "params", "diff")
    assert dvc_copy.dvc("repro", "train_classifier@masks") == ["train_classifier@masks"]
    ran = dvc_copy.dvc("exp", "run", "-S", f"{RATE}=0.001")
    assert ran[:2] == ["train_classifier@masks", "evaluate@masks"]
    assert set(ran[2:]) == {"explain@masks", "compare", "report"}
    shown = json.loads(dvc_copy.run("dvc", "metrics", "show", "--json"))[""]["data"]
    assert set(shown) == {
        "results/segmenters/unet/metrics.json",
        "results/screenings/fields/metrics.json",
        *(f"results/classifiers/{name}/metrics.json" for name in CLASSIFIERS),
    }
    assert all(type(number) is float for one in shown.values() for number in one["data"].values())
    assert max(map(len, dvc_copy.run("dvc", "metrics", "show").splitlines())) <= 120
    assert "learning_rate" in dvc_copy.run("dvc", "exp", "show", "--md")
    dvc_copy.run("dvc", "plots", "show", "--out", "dvc_plots")
    page = (dvc_copy.folder / "dvc_plots/index.html").read_text()
    for figure in (
        "masks: loss",
        "masks: accuracy",
        "masks: confusion",
        "masks: ROC",
        "unet: Dice",
        "fields: cells found",
    ):
        assert figure in page


@in_group_of_snakemake
def test_snakemakes_commands_work_as_their_users_expect(snakemake_copy: Project) -> None:
    assert "in a good condition" in snakemake_copy.run("snakemake", "--lint")
    assert snakemake_copy.dry("--forcerun", "evaluate@masks") == {
        "evaluate@masks",
        "explain@masks",
        "compare",
        "report",
    }
    assert snakemake_copy.dry("--forcerun", "train_classifier@masks", "--", "evaluate@masks") == {
        "train_classifier@masks",
        "evaluate@masks",
    }
    assert "profiles/default" in snakemake_copy.run("snakemake", "-n")
    assert "profiles/slurm" in snakemake_copy.run("snakemake", "-n", "--workflow-profile", "slurm")
    snakemake_copy.run("snakemake", "--report", "report.html")
    page = (snakemake_copy.folder / "report.html").read_text()
    categories = json.loads(page.partition("var categories = ")[2].partition(";\n")[0])
    fields = sorted(path.stem for path in (snakemake_copy.folder / "results/screenings/fields/figures").glob("*.png"))
    assert fields
    figures = {
        "train_segmenter": (
            "unet",
            "segmenters/unet",
            ("figures/distribution", "training/curves"),
        ),
        "train_classifier": ("masks", "classifiers/masks", ("training/curves",)),
        "evaluate": (
            "masks",
            "classifiers/masks",
            [f"figures/{name}" for name in CURVES],
        ),
        "evaluate_screening": (
            "fields",
            "screenings/fields",
            (*(f"figures/{field}" for field in fields), "plots/counts", "plots/precision_recall"),
        ),
        "explain": (
            "masks",
            "explanations/masks",
            ("figures/perturbation", "figures/shares"),
        ),
    }
    stages = yaml.safe_load((snakemake_copy.folder / "dvc.yaml").read_text())["stages"]
    for stage, (item, folder, names) in figures.items():
        heading = stages[stage]["do"]["desc"]
        assert sorted(categories[heading][item]) == [f"results/{folder}/{name}.png" for name in names]
    assert snakemake_copy.run("git", "status", "--porcelain") == ""


@in_group_of_snakemake
def test_dvc_adopts_what_snakemake_made(snakemake_copy: Project) -> None:
    snakemake_copy.run("dvc", "commit", "--force")
    assert snakemake_copy.dvc("repro") == []
    assert snakemake_copy.dry() == set()


@in_group_of_dvc
def test_snakemake_adopts_what_dvc_made(dvc_copy: Project) -> None:
    dvc_copy.run("snakemake", "--touch", "--forceall", "--cores", "1")
    assert dvc_copy.dry() == set()
    assert dvc_copy.dvc("repro") == []
    edit(dvc_copy, RATE)
    assert dvc_copy.dry() == EDITS[RATE][2]
