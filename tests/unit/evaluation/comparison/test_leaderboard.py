from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student

from cytopipe.core.io.atomic import round_floats
from cytopipe.errors import CytopipeError
from cytopipe.evaluation.comparison.leaderboard import Entry, difference, leaderboard, to_markdown
from cytopipe.results.leaderboard import Difference, Leaderboard, Ranking
from cytopipe.results.numbers import Estimate, Interval, Spread, Spreads
from cytopipe.results.predictions import Prediction, Predictions
from made_results import classifier_details

IDS = tuple(f"{i:02}" for i in range(40))
GROUPS = tuple(f"g{i // 4}" for i in range(40))


def entry(
    name: str,
    right: int,
    correct: np.ndarray | None = None,
    ids: Sequence[str] = IDS,
    groups: Sequence[str] = GROUPS,
    settings: Mapping[str, Any] | None = None,
    validated: bool = True,
    **about: Any,
) -> Entry:
    """A classifier that is right on the first images, or on the images given by `correct`; so it is on validation."""
    hits = np.arange(len(ids)) < right if correct is None else correct
    rows = [
        Prediction(id=one, group=group, label="a", predicted="a" if hit else "b", probabilities=(0.5, 0.5))
        for one, group, hit in zip(ids, groups, hits, strict=True)
    ]
    metrics = {
        "accuracy": Estimate(value=right / 40, low=right / 40 - 0.1, high=right / 40 + 0.05),
        "balanced_accuracy": Estimate(value=0.5),
        "macro_f1": Estimate(value=0.25),
        "auc": Estimate(value=None),
    }
    details = classifier_details(metrics=metrics, architecture="net", **about)
    settings = settings or {"architecture": "net", "arguments": {"width": 8}}
    predictions = Predictions.of(("a", "b"), rows)
    return Entry(name, settings, details, predictions, predictions if validated else Predictions.of(("a", "b"), []))


def board(*entries: Entry) -> Ranking:
    """The only ranking of these classifiers."""
    return leaderboard(entries).root["d"]


def test_the_most_accurate_is_first_and_ties_go_by_name() -> None:
    found = board(entry("b", 30), entry("c", 35), entry("a", 30))
    assert [row.name for row in found.classifiers] == ["c", "a", "b"]
    assert found.test_images == 40 and found.test_groups == 10


def test_each_is_compared_with_the_best_on_the_same_images() -> None:
    first, equal, third = (
        row.against_best for row in board(entry("a", 40), entry("b", 36), entry("c", 40)).classifiers
    )
    assert first is None
    assert equal == Difference(accuracy_difference=0.0, interval=Interval(low=0.0, high=0.0), resolved=False)
    assert third is not None and third.interval is not None
    assert third.accuracy_difference == pytest.approx(-0.1)
    # The four differ in one group of ten: t with nine degrees of freedom at Holm's first step of three pairs.
    reach = student.ppf(1 - 0.025 / 3, 9) * 0.1
    assert (third.interval.low, third.interval.high) == pytest.approx((-0.1 - reach, -0.1 + reach))


def test_seeds_are_shown_with_mean_and_spread() -> None:
    spread = Spread(values=(0.75, 0.65, 0.7), mean=0.7, sd=0.05)
    several = entry("a", 30, seeds=Spreads(count=3, metrics={"accuracy": spread}))
    text = to_markdown(leaderboard([several, entry("b", 20)]))
    assert "0.750; 3 seeds 0.700 ± 0.050" in text and text.count("seeds") == 1


def test_a_difference_is_paired() -> None:
    rng = np.random.default_rng(0)
    hard = (rng.random(40) < 0.5).astype(float)
    better = hard.copy()
    better[np.arange(0, 40, 8)[hard[::8] == 0]] = 1  # right wherever the other is, and a little more
    found = difference(entry("x", 0, correct=better), entry("y", 0, correct=hard))
    assert found.estimate > 0 and found.p is not None and found.low is not None
    opposite = difference(entry("y", 0, correct=hard), entry("x", 0, correct=better))
    assert [opposite.p, opposite.high] == pytest.approx([found.p, -found.low])
    alone = entry("z", 0, correct=1 - hard)
    unpaired = difference(entry("x", 0, correct=better), alone)
    assert unpaired.error is not None and found.error is not None and unpaired.error > found.error


def test_one_group_gives_a_difference_without_an_interval() -> None:
    groups = ("g",) * 40
    found = leaderboard([entry("a", 40, groups=groups), entry("b", 20, channels="masked", groups=groups)])
    assert found.root["d"].masks[0].interval is None
    assert "-0.500 (-): no difference that this test set can resolve" in to_markdown(found)


def test_a_text_never_contradicts_the_corrected_verdict() -> None:
    """Alone the pair differs (p .04); among six pairs it does not, and neither table nor sentence says so."""
    alone = leaderboard([entry("plain", 16), entry("masks", 32, channels="rgb+masks")])
    others = (entry("x", 17, settings={"w": 1}), entry("y", 18, settings={"w": 2}))
    among = leaderboard([entry("plain", 16), entry("masks", 32, channels="rgb+masks"), *others])
    for board_, answer in ((alone, "they help"), (among, "no difference that this test set can resolve")):
        ranking = board_.root["d"]
        (effect,) = ranking.masks
        (pair,) = [one for one in ranking.pairs if {one.first, one.second} == {"masks", "plain"}]
        assert (effect.interval, effect.resolved) == (pair.interval, pair.resolved)
        assert pair.interval and pair.p is not None
        assert pair.resolved == (pair.p < 0.05) == (not pair.interval.low <= 0 <= pair.interval.high)
        assert f": {answer}." in to_markdown(board_)


def test_validation_chooses_for_the_registry_and_the_test_does_not() -> None:
    valid = Predictions.of(("a", "b"), entry("x", 39).predictions.rows)
    best_on_test, best_on_validation = entry("tested", 40), replace(entry("validated", 4), validation=valid)
    worse = replace(best_on_test, validation=entry("y", 4).predictions)
    found = leaderboard([worse, best_on_validation])
    ranking = found.root["d"]
    assert ranking.best.name == "tested" and ranking.chosen is not None and ranking.chosen.name == "validated"
    assert [row.validation for row in ranking.classifiers] == [4 / 40, 39 / 40]
    assert "For the registry: `validated`, chosen on 40 validation images of 10 groups: " in to_markdown(found)


def test_other_test_images_are_an_error() -> None:
    other = entry("b", 30, ids=tuple(reversed(IDS)))
    with pytest.raises(CytopipeError, match="'a' and 'b' were tested on different images"):
        leaderboard([entry("a", 35), other])


def test_each_dataset_has_its_own_ranking() -> None:
    found = leaderboard([entry("a", 35, dataset="z"), entry("b", 30)]).root
    assert list(found) == ["d", "z"]
    assert [[row.name for row in ranking.classifiers] for ranking in found.values()] == [["b"], ["a"]]


def test_mask_effects_pair_networks_that_differ_in_nothing_else() -> None:
    deeper = {"architecture": "net", "arguments": {"width": 16}}
    effects = board(
        entry("plain", 30),
        entry("masks", 36, channels="rgb+masks"),
        entry("masked", 20, channels="masked"),
        entry("wide", 33, channels="rgb+masks", settings=deeper),
    ).masks
    assert [(one.with_masks, one.without, one.channels) for one in effects] == [
        ("masks", "plain", "rgb+masks"),
        ("masked", "plain", "masked"),
    ]
    assert [one.accuracy_difference for one in effects] == pytest.approx([0.15, -0.25])


def test_markdown_contains_the_ranking_and_a_verdict_for_each_pair() -> None:
    text = to_markdown(
        leaderboard(
            [
                entry("plain", 20, correct=np.arange(40) % 2 == 0),
                entry("masks", 40, channels="rgb+masks"),
                entry("masked", 0, channels="masked"),
                entry("other", 21, channels="rgb+masks"),
            ]
        )
    )
    lines = text.splitlines()
    assert lines[0] == "# Leaderboard" and "## d" in lines
    assert "40 test images of 10 groups." in text
    first = [cell.strip() for cell in next(line for line in lines if line.startswith("| masks")).split("|")]
    assert first[1:-1] == ["masks", "rgb+masks", "12,345", "1.000", "1.000", "0.900 to 1.050", "0.250", "-", "-"]
    verdicts = {line.split("`")[1]: line.rsplit(": ", 1)[1] for line in lines if line.startswith("- ")}
    assert verdicts == {
        "masks": "they help.",
        "masked": "they harm.",
        "other": "no difference that this test set can resolve.",
    }
    assert "nan" not in text.lower()


def test_a_leaderboard_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = leaderboard([entry("a", 30), entry("b", 36, channels="masked")])
    found.write(tmp_path / "leaderboard.json")
    again = Leaderboard.read(tmp_path / "leaderboard.json")
    assert again.plain == round_floats(found.plain)
    assert again.plain["d"]["masks"][0]["with"] == "b"


def test_cross_validated_classifiers_are_ranked_apart() -> None:
    folded = entry("b", 30, settings={"folds": 5}, ids=IDS[:20], groups=GROUPS[:20], validated=False)
    found = leaderboard([entry("a", 40), folded]).root
    assert list(found) == ["d", "d, 5 folds"]
    assert found["d"].chosen is not None and found["d, 5 folds"].chosen is None  # an earlier version trained it


def test_out_of_fold_predictions_choose_among_cross_validated_classifiers_and_it_is_said() -> None:
    found = leaderboard([entry("a", 40), entry("b", 30, settings={"folds": 5}), entry("c", 4, settings={"folds": 5})])
    chosen = found.root["d, 5 folds"].chosen
    assert chosen is not None and (chosen.name, chosen.reason) == ("b", "cross-validated accuracy 0.750, the highest")
    assert [row.validation for row in found.root["d, 5 folds"].classifiers] == [None, None]
    one, folded = to_markdown(found).split("## d, 5 folds")
    assert "are also the test: the estimate of the chosen one is slightly optimistic" in folded
    assert "chosen on 40 images of 10 groups: " in folded and "chosen on 40 validation images" in one


def test_a_difference_is_resolved_only_if_enough_groups_show_it() -> None:
    found = leaderboard([entry("a", 40), entry("b", 38), entry("c", 4)])
    resolved = {(pair.first, pair.second): pair.resolved for pair in found.root["d"].pairs}
    assert resolved == {("a", "b"): False, ("a", "c"): True, ("b", "c"): True}
    assert found.root["d"].equals == (("a", "b"), ("c",))
    text = to_markdown(found)
    assert "2 of 3 differences are resolved" in text and "Not told apart: `a`, `b`." in text


def test_correction_counts_the_pairs() -> None:
    entries = [entry("a", 40), *(entry(name, 32) for name in "bcdef")]
    few, many = (board(*entries[:count]).pairs[0] for count in (2, 6))
    assert 0 < (few.p or 0) < (many.p or 0)
    assert few.p_mcnemar == pytest.approx(2 / 2**8)


def test_one_group_resolves_nothing() -> None:
    one = ("g",) * 40
    found = leaderboard([entry("a", 40, groups=one), entry("b", 0, groups=one)])
    assert found.root["d"].pairs[0].p is None and not found.root["d"].pairs[0].resolved
    assert found.root["d"].equals == (("a", "b"),)
    text = to_markdown(found)
    assert "No difference can be resolved: one group counts: under 5, no interval is claimed." in text
    assert "Not told apart: `a`, `b`." in text and "No intervals: one group counts" in text
