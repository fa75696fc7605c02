"""Attributes of a dataset's images, such as site and age: numbers become the bins that they lie in."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cytopipe.adapters.base import Sample
from cytopipe.core.params.attributes import UNKNOWN, bin_of, in_order, number_of
from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError

MOST_NUMBERS = 8  # different numbers that are taken for codes, as of scanners 1 to 4; more are binned
MOST_VALUES = 50


def with_given_bins(samples: Sequence[Sample], bins: Mapping[str, Sequence[float]], key: str) -> list[Sample]:
    """Samples with the names of the given bins in place of the numbers of their attributes.

    Args:
        samples: with settled attributes.
        bins: limits by attribute.
        key: where the options stand, for errors.

    Raises:
        CytopipeError: a value is neither a number nor UNKNOWN.
    """
    for name in bins:
        for sample in samples:
            value = sample.attributes[name]
            if value != UNKNOWN and number_of(value) is None:
                raise CytopipeError(
                    f"the attribute '{name}' has bins, but '{value}' of {sample.id} is no number",
                    where=f"{key}.attribute_bins",
                    hint="correct the value, leave it empty if it is unknown, or give no bins",
                )
    return (
        [replace(sample, attributes=_binned(sample.attributes, bins)) for sample in samples] if bins else list(samples)
    )


def _binned(attributes: Mapping[str, str], bins: Mapping[str, Sequence[float]]) -> dict[str, str]:
    return {name: bin_of(value, bins[name]) if name in bins else value for name, value in attributes.items()}


def is_binned(values: Iterable[str]) -> bool:
    """Whether values are numbers, and too many to be codes."""
    known = {value for value in values if value != UNKNOWN}
    return len(known) > MOST_NUMBERS and all(number_of(value) is not None for value in known)


def with_quartiles(rows: Sequence[Row], given: Mapping[str, Sequence[float]], key: str) -> tuple[list[Row], Any]:
    """Rows with bins in place of the numbers that are left, and what summary.json says of the attributes.

    The limits are the quartiles of the training groups, each of which counts once, by the mean of its images: no other
    image says where the bins lie.

    Args:
        rows: of the manifest, with their splits.
        given: bins by attribute, which the rows hold already.
        key: where the options stand, for errors.

    Returns:
        The rows, and for each attribute its images by value and its limits.

    Raises:
        CytopipeError: an attribute that is no number has more than 50 values.
    """
    names = list(rows[0].attributes) if rows else []
    limits: dict[str, list[float]] = {name: list(map(float, one)) for name, one in given.items()}
    for name in names:
        values = [row.attributes[name] for row in rows]
        if name in given:
            continue
        if is_binned(values):
            limits[name] = _quartiles(rows, name)
        elif len(set(values)) > MOST_VALUES:
            word = next((value for value in values if value != UNKNOWN and number_of(value) is None), values[0])
            raise CytopipeError(
                f"the attribute '{name}' has {len(set(values))} values, such as '{word}'",
                where=f"{key}.attributes",
                hint=f"an attribute has few values (at most {MOST_VALUES}), or numbers only, which are binned",
            )
    quartiles = {name: one for name, one in limits.items() if name not in given}
    rows = [replace(row, attributes=_binned(row.attributes, quartiles)) for row in rows]
    return rows, {name: _described(rows, name, limits.get(name), name in given) for name in names}


def _quartiles(rows: Sequence[Row], name: str) -> list[float]:
    ages: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        number = number_of(row.attributes[name])
        if row.split == "train" and number is not None:
            ages[row.group].append(number)
    if not ages:
        return []
    means = [float(np.mean(values)) for values in ages.values()]
    return sorted({float(f"{limit:g}") for limit in np.quantile(means, [0.25, 0.5, 0.75]).tolist()})


def _described(rows: Sequence[Row], name: str, limits: list[float] | None, is_given: bool) -> dict[str, Any]:
    count = Counter(row.attributes[name] for row in rows)
    found: dict[str, Any] = {"values": {value: count[value] for value in in_order(count)}}
    if limits is not None:
        found |= {"limits": limits, "limits_from": "options" if is_given else "quartiles of the training groups"}
    return found
