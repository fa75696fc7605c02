from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from PIL import Image

from cytopipe.metrics import curves
from cytopipe.metrics.plotting import curve_figures

TRUTH = np.array([0, 1, 2, 0, 1, 2])
SCORES = np.random.default_rng(0).dirichlet(np.ones(3), 6)
QUESTIONS = curves.one_vs_rest(TRUTH, SCORES, ("a", "b", "c"))
ABNORMAL = curves.BinaryProblem(curves.ABNORMAL, TRUTH > 0, SCORES[:, 1:].sum(axis=1))


def draw(folder: Path) -> None:
    """Draw every figure, and again under another name without data."""
    folder.mkdir()
    curve_figures.roc_figure(folder / "roc.png", curves.roc_rows([*QUESTIONS, ABNORMAL]))
    curve_figures.pr_figure(folder / "pr.png", curves.pr_rows([*QUESTIONS, ABNORMAL]))
    reliability = curves.reliability_rows(TRUTH, SCORES, SCORES)
    curve_figures.reliability_figure(folder / "reliability.png", reliability, (0.1, 0.2))
    curve_figures.decision_figure(folder / "decision.png", curves.net_benefit_rows(ABNORMAL), "")
    coverage = curves.thinned_coverage_rows(TRUTH, SCORES, np.full(6, 0.5))
    curve_figures.coverage_figure(folder / "coverage.png", coverage, 0.05)
    curve_figures.roc_figure(folder / "roc_none.png", [])
    curve_figures.pr_figure(folder / "pr_none.png", [])
    curve_figures.decision_figure(folder / "decision_none.png", [], "no question of abnormality")
    curve_figures.coverage_figure(folder / "coverage_none.png", coverage[:-1], 0.05)


def test_the_same_call_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        draw(tmp_path / name)
    files = sorted(tmp_path.glob("one/*.png"))
    assert len({file.read_bytes() for file in files}) == len(files) == 9
    assert all(file.read_bytes() == (tmp_path / "two" / file.name).read_bytes() for file in files)
    assert plt.get_fignums() == []


def test_figures_are_small_enough_for_a_page(tmp_path: Path) -> None:
    draw(tmp_path / "figures")
    for file in tmp_path.glob("figures/*.png"):
        with Image.open(file) as image:
            assert image.width <= 1000 and image.height <= 600, file.name
        assert file.stat().st_size < 100_000


def test_rare_images_that_no_score_finds_still_have_a_decision_curve(tmp_path: Path) -> None:
    rare = curves.BinaryProblem("x", np.arange(500) == 0, np.zeros(500))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        curve_figures.decision_figure(tmp_path / "rare.png", curves.net_benefit_rows(rare), "")
    assert (tmp_path / "rare.png").is_file()
