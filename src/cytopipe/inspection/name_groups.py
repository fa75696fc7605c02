"""Patterns in the names of files that may tell which images belong together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from cytopipe.inspection.seen import Group

# From names that say what they are to mere beginnings; the first parenthesis is the group. Only the sure ones are used
# without being asked.
_SURE = (
    r"(?i)(?:^|/)[^/]*?((?:patient|pat|subject|case|slide|specimen|donor|sample|smear)[ _-]?\d+)(?=[^0-9/][^/]*$)",
    r"(?:^|/)([PS]\d+)[_-][^/]*$",
    r"(?:^|/)(TCGA-\w\w-\w{4})[^/]*$",
)
_MAYBE = (r"(?:^|/)([^/_]+)_[^/]*$", r"(?:^|/)([^/-]+)-[^/]*$", r"(?:^|/)([^/ ]+) [^/]*$", r"(?:^|/)(\d{3,})[^/]*$")
_EXAMPLES = 4


def name_groups(names: Sequence[str]) -> list[tuple[Group, bool]]:
    """Patterns that find a group in every name, and whether the names say that it is a patient, slide or case.

    Args:
        names: paths of images below their folder, without suffix.
    """
    found = []
    for patterns, sure in ((_SURE, True), (_MAYBE, False)):
        for pattern in patterns:
            counts = _groups(names, pattern)
            if 3 <= len(counts) <= 0.7 * len(names):
                examples = tuple(sorted(counts)[:_EXAMPLES])
                found.append((Group("group_pattern", pattern, len(counts), examples), sure))
    return found


def _groups(names: Sequence[str], pattern: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for name in names:
        match = re.search(pattern, name)
        if not match or not match[1]:
            return Counter()
        counts[match[1]] += 1
    return counts
