"""The leaderboard: classifiers ranked on the same test images, with intervals and paired differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Protocol

from cytopipe import paths
from cytopipe.core.io.tables import markdown
from cytopipe.core.params import Classifier
from cytopipe.errors import CytopipeError
from cytopipe.evaluation.comparison.choice import Candidate, choose
from cytopipe.evaluation.comparison.patients import per_patient
from cytopipe.metrics.comparison import ALPHA, holm, holm_levels, indistinguishable_groups, mcnemar
from cytopipe.metrics.intervals import METHODS, too_few
from cytopipe.metrics.paired import PairedDifference, paired_difference
from cytopipe.metrics.registry import of_task, ranked
from cytopipe.results.classifier import ClassifierDetails
from cytopipe.results.leaderboard import (
    CHOSEN_BY_ITS_TEST,
    Choice,
    Difference,
    Leaderboard,
    MaskEffect,
    Pair,
    PatientNumbers,
    RankedClassifier,
    Ranking,
)
from cytopipe.results.numbers import Estimate, Interval
from cytopipe.results.patients import PatientEvaluation
from cytopipe.results.predictions import Predictions

LEADING = of_task("classification")[0].key  # the metric by which classifiers are ranked


class Tested(Protocol):
    """Predictions of test images under a name."""

    @property
    def name(self) -> str:
        """Name in params.yaml."""

    @property
    def predictions(self) -> Predictions:
        """Of the test images."""


@dataclass(frozen=True)
class Entry:
    """Results of one classifier on the test images; `settings` are all its parameters but the channels, as in JSON."""

    name: str
    settings: Mapping[str, Any]
    details: ClassifierDetails
    predictions: Predictions
    validation: Predictions
    patients: PatientEvaluation | None = None

    @classmethod
    def read(cls, name: str, config: Classifier) -> Entry:
        """Read the results that the stage `evaluate` wrote.

        Raises:
            CytopipeError: if a file is missing or invalid.
        """
        files = paths.classifier(name)
        settings = config.model_dump(mode="json", exclude={"channels"})
        predictions, validation = (Predictions.read(path) for path in (files.predictions, paths.validation(name)))
        details, patients = ClassifierDetails.read(files.details), PatientEvaluation.of(files.clinical)
        return cls(name, settings, details, predictions, validation, patients)

    @property
    def candidate(self) -> Candidate:
        """What chooses among classifiers."""
        return Candidate(self.name, self.details.parameters, self.validation, bool(self.settings.get("folds")))

    @property
    def title(self) -> str:
        """Title of its ranking; cross-validated classifiers are tested on all images and ranked separately."""
        folds = self.settings.get("folds")
        return f"{self.details.dataset}, {folds} folds" if folds else self.details.dataset


def difference(first: Tested, second: Tested) -> PairedDifference:
    """Accuracy of `first` minus that of `second`, by the cluster t-test over groups.

    Raises:
        CytopipeError: if the two were tested on different images.
    """
    if first.predictions.ids != second.predictions.ids:
        raise CytopipeError(f"'{first.name}' and '{second.name}' were tested on different images")
    return paired_difference(first.predictions.correct - second.predictions.correct, first.predictions.groups)


def compare_all(ranked: Sequence[Tested]) -> tuple[tuple[Pair, ...], tuple[tuple[str, ...], ...]]:
    """Compare every pair of classifiers, and find runs of the ranking without a significant difference.

    A difference is resolved (significant) if the p-value of the cluster t-test is below 5 % after Holm's correction for
    the number of pairs. McNemar's test, which takes images as independent, is given for comparison.

    Returns:
        The pairs, and the runs of names without a resolved difference, best first.
    """
    entries = {(one.name, two.name): (one, two) for one, two in combinations(ranked, 2)}
    found = {names: difference(*pair) for names, pair in entries.items()}
    chances = {names: 1.0 if one.p is None else one.p for names, one in found.items()}
    corrected, levels = holm(chances), holm_levels(chances)
    mcnemars = holm(
        {names: mcnemar(one.predictions.correct, two.predictions.correct) for names, (one, two) in entries.items()}
    )
    pairs = tuple(
        Pair(
            first=names[0],
            second=names[1],
            accuracy_difference=one.estimate,
            interval=_interval(one.at(levels[names])),
            p=None if one.p is None else corrected[names],
            p_mcnemar=mcnemars[names],
            resolved=corrected[names] < ALPHA,
        )
        for names, one in found.items()
    )
    resolved = {frozenset((pair.first, pair.second)) for pair in pairs if pair.resolved}
    equals = indistinguishable_groups([entry.name for entry in ranked], resolved)
    return pairs, tuple(tuple(names) for names in equals)


def _interval(limits: tuple[float, float] | None) -> Interval | None:
    return Interval(low=limits[0], high=limits[1]) if limits else None


def between(pairs: Sequence[Pair], first: str, second: str) -> Difference:
    """The comparison of two classifiers of a ranking, whichever of them it names first."""
    (pair,) = [one for one in pairs if {one.first, one.second} == {first, second}]
    value, limits = pair.accuracy_difference, pair.interval
    if pair.first != first:
        value, limits = -value, Interval(low=-limits.high, high=-limits.low) if limits else None
    return Difference(accuracy_difference=value, interval=limits, resolved=pair.resolved)


def leaderboard(entries: Sequence[Entry]) -> Leaderboard:
    """Make one ranking per dataset, best first, and compare networks that differ only in their mask channels.

    Raises:
        CytopipeError: if classifiers of one dataset were tested on different images.
    """
    rankings = {}
    for title in sorted({entry.title for entry in entries}):
        ranked = sorted((one for one in entries if one.title == title), key=_place)
        pairs, equals = compare_all(ranked)
        rankings[title] = Ranking(
            test_images=len(ranked[0].predictions.rows),
            test_groups=len(set(ranked[0].predictions.groups)),
            classifiers=tuple(_row(entry, ranked[0].name, pairs) for entry in ranked),
            pairs=pairs,
            equals=equals,
            masks=tuple(_mask_effects(ranked, pairs)),
            chosen=choose([entry.candidate for entry in ranked]),
        )
    return Leaderboard(rankings)


def _place(entry: Entry) -> tuple[float, str]:
    return -(entry.details.metrics[LEADING].value or 0.0), entry.name


def _row(entry: Entry, best: str, pairs: Sequence[Pair]) -> RankedClassifier:
    details = entry.details
    return RankedClassifier(
        name=entry.name,
        settings=entry.settings,
        architecture=details.architecture,
        channels=details.channels,
        parameters=details.parameters,
        metrics=details.metrics,
        seeds=details.seeds.metrics[LEADING] if details.seeds else None,
        validation=entry.candidate.accuracy if entry.validation.rows and not entry.settings.get("folds") else None,
        patients=PatientNumbers.of(entry.patients) if entry.patients else None,
        against_best=None if entry.name == best else between(pairs, entry.name, best),
    )


def _mask_effects(entries: Sequence[Entry], pairs: Sequence[Pair]) -> Iterator[MaskEffect]:
    for plain in entries:
        for other in entries:
            seen = other.details.channels
            if plain.details.channels == "rgb" != seen and other.settings == plain.settings:
                found = dict(between(pairs, other.name, plain.name))
                yield MaskEffect(with_masks=other.name, without=plain.name, channels=seen, **found)


def to_markdown(board: Leaderboard) -> str:
    """The leaderboard as Markdown."""
    parts = ["# Leaderboard\n"]
    for title, ranking in board.root.items():
        parts.append(
            f"## {title}\n\n{ranking.test_images} test images of {ranking.test_groups} groups. "
            f"{_intervals(ranking.test_groups)}\n"
        )
        parts.append(_ranking(ranking.classifiers))
        parts += per_patient(ranking.classifiers)
        if ranking.pairs:
            parts.append(_resolution(ranking))
        if ranking.chosen:
            parts.append(_choice(ranking.chosen, ranking.crossvalidated))
        if ranking.masks:
            parts.append("Do masks help?\n")
            parts += [_verdict(effect) for effect in ranking.masks]
    return "\n".join(parts)


def _ranking(rows: Sequence[RankedClassifier]) -> str:
    first, *others = ranked()
    header = ("classifier", "channels", "parameters", "validation", first.name, "95 %", *(one.name for one in others))
    return markdown(
        (*header, "against the best"),
        [
            (
                row.name,
                row.channels,
                f"{row.parameters:,}",
                number_text(row.validation),
                _leading(row),
                range_text(row.metrics[first.key]),
                *(number_text(row.metrics[one.key].value) for one in others),
                "-" if row.against_best is None else _signed(row.against_best),
            )
            for row in rows
        ],
    )


def _leading(row: RankedClassifier) -> str:
    seeds, value = row.seeds, row.metrics[LEADING].value
    spread = f"; {len(seeds.values)} seeds {number_text(seeds.mean)} ± {number_text(seeds.sd)}" if seeds else ""
    return f"{number_text(value)}{spread}"


def number_text(value: float | None) -> str:
    """A number with three decimals."""
    return "-" if value is None else f"{value:.3f}"


def _intervals(groups: int) -> str:
    if why := too_few(groups):
        return f"No intervals: {why}."
    return f"Intervals are 95 %: {METHODS['share']}."


def _resolution(ranking: Ranking) -> str:
    told_apart = sum(pair.resolved for pair in ranking.pairs)
    groups = "; ".join(", ".join(f"`{name}`" for name in names) for names in ranking.equals if len(names) > 1)
    if why := too_few(ranking.test_groups):
        return f"No difference can be resolved: {why}. Not told apart: {groups}.\n"
    return f"{told_apart} of {len(ranking.pairs)} differences are resolved (cluster t-test over groups, Holm). " + (
        f"Not told apart: {groups}.\n" if groups else "All are told apart.\n"
    )


def _choice(chosen: Choice, crossvalidated: bool) -> str:
    images = f"{chosen.images} {'images' if crossvalidated else 'validation images'} of {chosen.groups} groups"
    text = f"For the registry: `{chosen.name}`, chosen on {images}: {chosen.reason}.\n"
    return f"{text}{CHOSEN_BY_ITS_TEST}\n" if crossvalidated else text


def range_text(limits: Estimate | Interval | None, form: str = ".3f") -> str:
    """The ends of an interval in a format; "-" where there is none."""
    return "-" if limits is None or limits.low is None else f"{limits.low:{form}} to {limits.high:{form}}"


def _signed(found: Difference) -> str:
    return f"{found.accuracy_difference:+.3f} ({range_text(found.interval, '+.3f')})"


def _verdict(effect: MaskEffect) -> str:
    if not effect.resolved:
        answer = "no difference that this test set can resolve"
    else:
        answer = "they help" if effect.accuracy_difference > 0 else "they harm"
    pair = f"`{effect.with_masks}` ({effect.channels}) against `{effect.without}` (rgb)"
    return f"- {pair}: {_signed(effect)}: {answer}.\n"
