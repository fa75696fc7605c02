"""`cytopipe accept`; what it does in MLflow is tested in tests/unit/deploy/mlflow/test_registry.py."""

from __future__ import annotations

from pathlib import Path

from cytopipe import paths
from cytopipe.results.leaderboard import Leaderboard, RankedClassifier, Ranking
from fixture_types import Cytopipe


def test_without_a_choice_there_is_nothing_to_accept(project: Path, cytopipe: Cytopipe) -> None:
    missing = cytopipe("accept", "cervix", "--reason", "smaller")
    assert missing.exit_code == 1 and "results/leaderboard.json: this result is missing" in missing.output
    Leaderboard({}).write(project / paths.LEADERBOARD_JSON)
    empty = cytopipe("accept", "cervix", "--reason", "smaller")
    assert empty.exit_code == 1 and "nothing was chosen for 'cervix'" in empty.output


def test_a_reason_must_be_given(project: Path, cytopipe: Cytopipe) -> None:
    found = cytopipe("accept", "cervix")
    assert found.exit_code == 1 and "--reason" in found.output


def test_a_dataset_with_several_rankings_of_folds_needs_a_title(project: Path, cytopipe: Cytopipe) -> None:
    row = RankedClassifier(
        name="a",
        settings={"folds": 5},
        architecture="net",
        channels="rgb",
        parameters=1,
        metrics={},
        seeds=None,
        against_best=None,
    )
    ranking = Ranking(test_images=1, test_groups=1, classifiers=(row,), pairs=(), equals=(), masks=())
    Leaderboard({"cervix, 3 folds": ranking, "cervix, 5 folds": ranking}).write(project / paths.LEADERBOARD_JSON)
    several = cytopipe("accept", "cervix", "--reason", "smaller")
    assert several.exit_code == 1 and "name one: 'cervix, 3 folds', 'cervix, 5 folds'" in several.output
    one = cytopipe("accept", "cervix, 5 folds", "--reason", "smaller")
    assert one.exit_code == 1 and "nothing was chosen for 'cervix, 5 folds'" in one.output
