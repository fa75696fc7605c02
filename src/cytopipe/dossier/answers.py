"""dossier.yaml: what the author adds to the items that a run cannot answer."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from pathlib import Path

from cytopipe.core.params.text import read_yaml
from cytopipe.dossier.items import Checklist
from cytopipe.errors import CytopipeError

ANSWERS = Path("dossier.yaml")
NONE_YET = "# Answers to the items that the run leaves open: copy this file to dossier.yaml in the project's root.\n"


def read_answers(path: Path, known: Collection[str]) -> dict[str, str]:
    """Read the author's answers by item, such as `claim-44: No funding.`; none if there is no such file.

    An empty answer counts as none.

    Raises:
        CytopipeError: if the file is not YAML, names an item that does not exist, or an answer is not text.
    """
    if not path.is_file():
        return {}
    found = read_yaml(path)
    answers = {}
    for key, text in found.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.4)
            raise CytopipeError(
                f"there is no item '{key}'",
                where=path,
                hint=f"did you mean '{near[0]}'?" if near else "items are named like claim-44 and tripod-18a",
            )
        if text is not None and not isinstance(text, str):
            raise CytopipeError(f"the answer to '{key}' is not text", where=path, hint=f'write {key}: "..."')
        if text and text.strip():
            answers[key] = text.strip()
    return answers


def questions(checklists: Iterable[Checklist], open_items: Collection[str]) -> str:
    """A dossier.yaml to fill in: each open item with what is to be written, as comments, and an empty answer."""
    lines = [NONE_YET]
    for checklist in checklists:
        for item in checklist.items:
            key = checklist.key(item)
            if key in open_items:
                lines += [f"# {checklist.name} {item.id}, {item.title}: {item.write}", f'{key}: ""', ""]
    return "\n".join(lines).rstrip("\n") + "\n"
