from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from cytopipe.report.masks import contours, gallery, rank, spread
from cytopipe.report.read import Results
from cytopipe.results.segmenter import MaskScores


def test_the_worst_come_first_and_the_best_is_last() -> None:
    assert spread(5) == [0, 1, 2, 3, 4]
    places = spread(325)
    assert places[:4] == [0, 1, 2, 3] and places[-1] == 324
    assert len(places) == 12 and places == sorted(set(places))
    assert np.ptp(np.diff(places[4:])) <= 1


def test_images_are_ranked_by_the_mean_of_cell_and_nucleus() -> None:
    values = {"a": (0.9, 0.9), "b": (1.0, 0.2), "c": (0.5, None), "d": (None, None)}
    rows = [
        MaskScores(id=name, group="g", scores={"dice_cell": cell, "dice_nucleus": nucleus})
        for name, (cell, nucleus) in values.items()
    ]
    assert [row.id for row in rank(rows)] == ["d", "c", "b", "a"]


def test_a_contour_runs_through_the_centres_of_border_pixels() -> None:
    mask = np.zeros((8, 8), np.uint8)
    mask[2:5, 1:6] = 1
    corners = {tuple(map(float, pair.split(","))) for pair in re.findall(r"[\d.]+,[\d.]+", contours(mask, 1))}
    assert corners == {(1.5, 2.5), (1.5, 4.5), (5.5, 4.5), (5.5, 2.5)}


def test_missing_parts_have_no_contour() -> None:
    assert contours(np.zeros((4, 4), np.uint8), 1) == ""


def test_two_cells_have_two_contours() -> None:
    mask = np.zeros((8, 8), np.uint8)
    mask[1:3, 1:3] = mask[5:7, 5:7] = 2
    assert contours(mask, 2).count("M") == contours(mask, 2).count("Z") == 2


def test_truth_and_prediction_are_drawn_for_every_test_image(results: Results) -> None:
    shown = gallery(results.segmenters["unet"], results)
    assert shown.total == len(shown.overlays) == 9
    assert [overlay.rank for overlay in shown.overlays] == list(range(1, 10))
    assert shown.overlays[0].dice["cell"] == min(overlay.dice["cell"] or 0 for overlay in shown.overlays)
    first = shown.overlays[0]
    drawn = {(outline.source, outline.part): outline.path for outline in first.outlines}
    assert drawn.keys() == {(source, part) for source in ("truth", "prediction") for part in ("cell", "nucleus")}
    assert drawn["truth", "cell"] != drawn["prediction", "cell"]
    assert drawn["truth", "cell"].startswith("M4.5,6.5")
    assert first.distance == {"cell": 2.0, "nucleus": None}


def test_a_dataset_without_masks_says_so(results: Results) -> None:
    shown = gallery(results.segmenters["otsu"], results)
    assert not shown.overlays and "no true masks" in shown.why


def test_a_dataset_segmented_by_another_segmenter_says_so(results: Results) -> None:
    smear = results.datasets["smear"]
    other = replace(smear, config=smear.config.model_copy(update={"segmenter": "otsu"}))
    shown = gallery(results.segmenters["unet"], replace(results, datasets={**results.datasets, "smear": other}))
    assert not shown.overlays and "predicted by otsu" in shown.why
