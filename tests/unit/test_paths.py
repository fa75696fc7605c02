from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cytopipe import paths, search_paths, slide_paths
from cytopipe.core.params import SPLITS
from cytopipe.core.pipeline.description import read_description

SEGMENTER, CLASSIFIER = paths.segmenter("x"), paths.classifier("x")
PER_ENTRY = (
    *(kind("x") for kind in (paths.Raw, paths.Organized, paths.Masks, paths.Tensors, paths.Audit)),
    *(SEGMENTER, CLASSIFIER, paths.Explained("x"), paths.Screened("x"), paths.External("x"), paths.Embedded("x")),
    slide_paths.SlideResults("x"),
    search_paths.Searched("x"),
)
OF_ALL = (
    *(paths.LEADERBOARD_JSON, paths.LEADERBOARD_MD, paths.SCREENINGS, paths.EVALUATIONS, paths.EMBEDDINGS),
    search_paths.SEARCHES,
    *(paths.REPORT, paths.CARDS),
)


def named() -> Iterator[Path]:
    """Every path that cytopipe.paths gives to an entry called x, and those of no entry."""
    for entry in PER_ENTRY:
        properties = [name for name in dir(entry) if isinstance(getattr(type(entry), name, None), property)]
        # Only classifiers have what a clinic asks for.
        yield from (getattr(entry, name) for name in properties if (entry, name) != (SEGMENTER, "clinical"))
    yield from map(paths.Tensors("x").array, SPLITS)
    yield from OF_ALL


@pytest.fixture(scope="module")
def declared(root: Path) -> list[Path]:
    """Every output of dvc.yaml, for an entry called x in every section."""
    description = read_description(root / "dvc.yaml")
    return [Path(output) for output in description.outputs({section: {"x": {}} for section in description.sections})]


def test_every_path_is_an_output_or_lies_in_one_or_holds_some(declared: list[Path]) -> None:
    for path in set(named()):
        assert any(path.is_relative_to(output) or output.is_relative_to(path) for output in declared), path


def test_every_output_has_its_path_or_lies_in_a_folder_that_has(declared: list[Path]) -> None:
    known = set(named())
    assert [output for output in declared if not known & {output, *output.parents}] == []
    assert set(OF_ALL) < set(declared)


def test_no_two_outputs_are_the_same_or_lie_in_each_other(declared: list[Path]) -> None:
    assert len(set(declared)) == len(declared)
    assert not [output for output in declared if set(output.parents) & set(declared)]


def test_paths_are_relative_and_those_of_two_datasets_differ() -> None:
    for kind in (paths.Raw, paths.Organized, paths.Masks, paths.Tensors):
        assert not kind("a").folder.is_absolute()
        assert kind("a").manifest != kind("b").manifest
        assert kind("a").manifest.is_relative_to(kind("a").folder)


def test_segmenters_and_classifiers_of_one_name_do_not_meet() -> None:
    for name in ("model", "results", "training", "metrics", "details", "predictions", "plots"):
        assert getattr(SEGMENTER, name) != getattr(CLASSIFIER, name)


def test_state_is_no_output() -> None:
    for path in (paths.LOCKS, paths.DOWNLOADS, paths.CHECKPOINTS):
        assert path.is_relative_to(paths.STATE)
