"""Which names classes may have, and that there is more than one."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from cytopipe.errors import CytopipeError


def check_several_classes(labels: Sequence[str], key: str) -> None:
    """Refuse images of one class.

    Raises:
        CytopipeError: there is one class only, or the name of a class cannot be used.
    """
    found = list(checked_names(sorted(set(labels))))
    if len(found) == 1:
        raise CytopipeError(
            f"all {len(labels)} images are of the one class '{found[0]}'; a classifier needs two",
            where=key,
            hint="check the source and the option that names the labels: options.csv and its columns, or "
            "options.folders; `cytopipe inspect` shows what is there",
        )


def checked_names(order: Iterable[str]) -> Iterable[str]:
    """The names, as they come.

    Raises:
        CytopipeError: a name cannot be that of a folder, or breaks a line.
    """
    for label in order:
        if "/" in label or "\\" in label or label.startswith("."):
            raise CytopipeError(f"the class '{label}' cannot name a folder", hint="rename it without slashes or a dot")
        if any(unicodedata.category(letter) == "Cc" for letter in label):
            raise CytopipeError(f"the class {label!r} holds a line break or a tab", hint="write it in one line")
        yield label
