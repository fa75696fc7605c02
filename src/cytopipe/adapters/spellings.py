"""Labels and groups that differ in nothing but their spelling: refused, merged or kept, as the options say."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from cytopipe.adapters.alike import CLASS, nearest, same_text, sets_alike, shown
from cytopipe.adapters.base import Options, Sample
from cytopipe.core.params.attributes import UNKNOWN, number_of
from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")
_EMPTY = frozenset({"nan", "none", "null", "na", "n/a", "nil", "-", "?", "."})  # how programs write an empty cell
_MISSING = frozenset({"", "unknown", "nan", "null", "na", "n/a", "nil", "-", "?", "."})  # `none` may be a treatment
_MOST_SETS = 5  # that a message lists
_DIFFER = "differ only in case, spaces, dashes, width, Unicode form or leading zeros"


def settle(
    samples: Sequence[Sample], options: Options, preferred: Sequence[str], excluded: Sequence[str], key: str
) -> list[Sample]:
    """The samples of the classes that are wanted, each label and group under one spelling.

    Args:
        samples: of one dataset.
        options: with `label_spellings` and `group_spellings`.
        preferred: class names that the options write: labels are merged under these; if a set of labels that are
            alike consists of them, it is kept.
        excluded: classes whose images are left out; under `merge`, in all their spellings.
        key: of the dataset in params.yaml, for errors.

    Raises:
        CytopipeError: for labels or groups that are alike where the options do not say what to do; for an excluded
            class that is not there.
    """
    labels = Counter(sample.label for sample in samples)
    sets = [names for names in sets_alike(labels) if not set(names) <= {*preferred} and not set(names) <= {*excluded}]
    counted = {name: f"{count} images" for name, count in labels.items()}
    hint = (
        "write them alike, or set options.label_spellings: merge (one class, named as most of its images are), or keep "
        "(they are different classes)"
    )
    _refuse("labels", sets, counted, options.label_spellings, f"{key}.options.label_spellings", hint)
    renamed = _merged(sets, labels, preferred) if options.label_spellings == "merge" else {}
    _log(key, "labels", renamed)
    settled = [replace(sample, label=renamed.get(sample.label, sample.label)) for sample in samples]
    settled = _without(settled, excluded, renamed, f"{key}.exclude_classes")
    _warn_of_empty(key, "label", Counter(sample.label for sample in settled))
    return settle_attributes(_settle_groups(settled, options, key), options, key)


def _settle_groups(samples: Sequence[Sample], options: Options, key: str) -> list[Sample]:
    groups = Counter(sample.group for sample in samples)
    own = {sample.group for sample in samples if _is_its_own(sample)}
    sets = [names for names in sets_alike(groups) if not set(names) <= own]
    splits: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        splits[sample.group] |= {sample.split} if sample.split else set()
    counted = {
        name: f"{count} images" + (f" in {', '.join(sorted(splits[name]))}" if splits[name] else "")
        for name, count in groups.items()
    }
    hint = (
        "one patient under two names can lie on both sides of a split: write them alike, or set "
        "options.group_spellings: merge (they are one), or keep (they are different)"
    )
    _refuse("groups", sets, counted, options.group_spellings, f"{key}.options.group_spellings", hint)
    renamed = _merged(sets, groups, ()) if options.group_spellings == "merge" else {}
    _log(key, "groups", renamed)
    _warn_of_empty(key, "group", groups)
    return [replace(sample, group=renamed.get(sample.group, sample.group)) for sample in samples]


def settle_attributes(samples: Sequence[Sample], options: Options, key: str) -> list[Sample]:
    """The samples with each value of an attribute under one spelling; what is missing is UNKNOWN.

    Raises:
        CytopipeError: for values that are alike where `attribute_spellings` does not say what to do.
    """
    for name in options.attributes:
        values = [_known(sample.attributes.get(name, "")) for sample in samples]
        count = Counter(values)
        are_numbers = all(number_of(value) is not None for value in count if value != UNKNOWN)
        sets = [] if are_numbers else sets_alike(count)
        counted = {value: f"{images} images" for value, images in count.items()}
        hint = "write them alike, or set options.attribute_spellings: merge (they are one), or keep"
        where = f"{key}.options.attribute_spellings"
        _refuse(f"values of the attribute '{name}'", sets, counted, options.attribute_spellings, where, hint)
        renamed = _merged(sets, count, ()) if options.attribute_spellings == "merge" else {}
        _log(key, f"the attribute '{name}'", renamed)
        values = [renamed.get(value, value) for value in values]
        samples = [
            replace(sample, attributes={**sample.attributes, name: value})
            for sample, value in zip(samples, values, strict=True)
        ]
        _warn_of_attribute(key, name, values, samples)
    return list(samples)


def _known(value: str) -> str:
    """A value of an attribute; UNKNOWN for one that says that it is missing."""
    return UNKNOWN if value.casefold() in _MISSING else value


def _warn_of_attribute(key: str, name: str, values: Sequence[str], samples: Sequence[Sample]) -> None:
    pairs = {(value, sample.label) for value, sample in zip(values, samples, strict=True)}
    labels, held = {label for _, label in pairs}, {value for value, _ in pairs}
    if len(held) == 1:
        logger.warning("%s: every image has the value '%s' of the attribute '%s'", key, *held, name)
    elif len(pairs) == len(labels) == len(held):
        logger.warning(
            "%s: the attribute '%s' says the same as the label: results by its values are results by class", key, name
        )


def _is_its_own(sample: Sample) -> bool:
    """Whether a group is its image's own name, which nobody typed as that of a patient."""
    path = PurePosixPath(sample.image.with_suffix("").as_posix())
    return sample.group in (sample.id, path.name) or path.as_posix().endswith(f"/{sample.group}")


def _refuse(what: str, sets: Sequence[list[str]], counted: dict[str, str], policy: str, where: str, hint: str) -> None:
    if not sets or policy != "error":
        return
    sides = [", ".join(f"{shown(name)} ({counted[name]})" for name in names) for names in sets[:_MOST_SETS]]
    more = f"; and {len(sets) - _MOST_SETS} more" if len(sets) > _MOST_SETS else ""
    raise CytopipeError(f"{what} that {_DIFFER}: {'; '.join(sides)}{more}", where=where, hint=hint)


def _merged(sets: Sequence[list[str]], count: Counter[str], preferred: Collection[str]) -> dict[str, str]:
    """Each name that is merged into another, and that other: a preferred one, else the most frequent."""
    renamed = {}
    for names in sets:
        chosen = min(names, key=lambda name: (name not in preferred, -count[name], name))
        renamed.update({name: chosen for name in names if name != chosen})
    return renamed


def _log(key: str, what: str, renamed: dict[str, str]) -> None:
    if renamed:
        pairs = ", ".join(f"{shown(name)} into {shown(other)}" for name, other in sorted(renamed.items()))
        logger.info("%s: merged %d spellings of %s: %s", key, len(renamed), what, pairs)


def _without(samples: list[Sample], excluded: Sequence[str], renamed: dict[str, str], key: str) -> list[Sample]:
    labels = sorted({sample.label for sample in samples})
    leave = {name: same_text(renamed.get(name, name), labels) for name in excluded}
    if unknown := sorted(name for name, label in leave.items() if label is None):
        near = nearest(unknown[0], labels, 1, CLASS)
        raise CytopipeError(
            f"no image has the class {unknown[0]!r}; there are {labels}",
            where=key,
            hint=f"did you mean '{near[0]}'?" if near else None,
        )
    return [sample for sample in samples if sample.label not in leave.values()]


def _warn_of_empty(key: str, what: str, count: Counter[str]) -> None:
    for name in sorted(count):
        if name.casefold() in _EMPTY:
            logger.warning(
                "%s: the %s '%s' (%d images) is taken as it stands; if it means an empty cell, correct the table",
                *(key, what, name, count[name]),
            )
