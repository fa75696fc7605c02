"""Which classifiers a test set tells apart, as letters: those that share one are not told apart (Piepho 2004)."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase


def letters(groups: Sequence[Sequence[str]]) -> dict[str, str]:
    """Letters of each name.

    Args:
        groups: of names that are not told apart, best first; a name may stand in several.
    """
    found: dict[str, str] = {}
    for index, names in enumerate(groups):
        for name in names:
            found[name] = found.get(name, "") + _letter(index)
    return found


def _letter(index: int) -> str:
    """a to z, then a2, b2 ..."""
    turn, place = divmod(index, len(ascii_lowercase))
    return ascii_lowercase[place] + (str(turn + 1) if turn else "")
