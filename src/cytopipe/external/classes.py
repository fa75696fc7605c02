"""Which class of a model stands for each class of another laboratory."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from cytopipe.errors import CytopipeError


def match_classes(
    there: Sequence[str], known: Sequence[str], renamed: Mapping[str, str | None], key: str
) -> dict[str, str]:
    """The model's class for each class there that is tested; the others have none.

    Args:
        there: classes of the dataset there.
        known: classes of the model.
        renamed: their class and the model's; None leaves a class out. Classes that it lacks keep their name.
        key: of `renamed` in params.yaml, for messages.

    Raises:
        CytopipeError: a class does not exist on its side, or none of the classes there is one of the model's.
    """
    for label, ours in renamed.items():
        _known(f"{key}.{label}", label, there, "the dataset there")
        if ours is not None:
            _known(f"{key}.{label}", ours, known, "the model")
    named = {label: renamed.get(label, label) for label in there}
    found = {label: ours for label, ours in named.items() if ours is not None and ours in known}
    if not found:
        raise CytopipeError(
            f"the model knows {', '.join(known)}, and the dataset has {', '.join(there)}: none in common",
            where=key,
            hint="write which of their classes is which of the model's: {theirs: ours}",
        )
    return found


def _known(key: str, label: str, labels: Sequence[str], whose: str) -> None:
    if label not in labels:
        near = difflib.get_close_matches(label, labels, n=1, cutoff=0.4) or sorted(labels)
        raise CytopipeError(f"{whose} has no class '{label}'; did you mean: {', '.join(near)}", where=key)
