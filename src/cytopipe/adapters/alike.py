"""Texts that a person takes for one: what two spellings of a name have in common, and the nearest of some names."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

# Capitals of Cyrillic and Greek that look like Latin ones.
_LOOK = str.maketrans("АВЕКМНОРСТУХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEKMHOPCTYXIJSABEZHIKMNOPTYX")
CLASS = 0.87
_DASHES = re.compile(r"[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_APART = "\ue000"  # a letter of nobody
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[\s-]+(?=\d)")
_SEPARATORS = re.compile(r"(?<=\w)-+(?=\w)|(?<=\w)\s*-+\s+(?=\w)|\s+")  # not a minus: `type -1` is not `type 1`
_ZEROS = re.compile(r"(?<![\d.,])0+(?=\d)")
_WHOLE = re.compile(r"(\d+)\.0+")
_NUMBERED = re.compile(r"(\D*[^\W\d_])(\d+)")


def alike(text: str) -> str:
    """What remains of a text without case, spaces, dashes between letters, width, Unicode form and leading zeros.

    `P001`, `p-1` and `Ｐ１` have the same; so do `1`, `01` and `1.0`. `CD3+` and `CD3-`, `1-11` and `11-1`, `1.05` and
    `1.5` have not.
    """
    text = _DASHES.sub("-", unicodedata.normalize("NFKC", text))
    text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    text = unicodedata.normalize("NFKC", text.casefold().upper().translate(_LOOK).lower()).strip()
    if whole := _WHOLE.fullmatch(text):
        text = whole[1]
    # A separator between two numbers keeps them apart; anywhere else it means nothing. Underscores are letters to \w.
    text = _BETWEEN_DIGITS.sub(_APART, text.replace("_", " "))
    return _ZEROS.sub("", _SEPARATORS.sub("", text)).replace(_APART, " ")


def sets_alike(names: Iterable[str]) -> list[list[str]]:
    """Names that are alike, in sets of two or more, sorted.

    A bare number is alike a name that ends in it (`1` and `P001`) where all such names begin alike.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        found[alike(name)].append(name)
    prefixed = [match for key in found if (match := _NUMBERED.fullmatch(key))]
    if len({match[1] for match in prefixed}) == 1:
        for match in prefixed:
            found[match[0]] += found.pop(match[2], [])
    return sorted(sorted(names) for names in found.values() if len(names) > 1)


def nearest(name: str, names: Iterable[str], most: int = 3, cutoff: float = 0.6) -> list[str]:
    """Those of some names that a misspelt one may mean, the best first; none if none is near.

    Classes are compared with the cutoff CLASS: 'abnormal' is no slip of 'normal'.
    """
    by_key: dict[str, str] = {}
    for other in names:
        by_key.setdefault(alike(other), other)
    return [by_key[key] for key in difflib.get_close_matches(alike(name), by_key, n=most, cutoff=cutoff)]


def same_text(name: str, names: Sequence[str]) -> str | None:
    """The one of some names that is the same text, whatever its Unicode form; None if there is none."""
    if name in names:
        return name
    composed = unicodedata.normalize("NFC", name)
    return next((other for other in names if unicodedata.normalize("NFC", other) == composed), None)


def shown(name: str) -> str:
    """A name in quotes as it can be told from those alike: letters that cannot be seen are written as \\u...."""
    is_decomposed = unicodedata.normalize("NFC", name) != name

    def seen(letter: str) -> str:
        is_clear = letter.isprintable() and not (is_decomposed and unicodedata.combining(letter))
        return letter if is_clear else f"\\u{ord(letter):04x}"

    return f"'{''.join(map(seen, name))}'"
