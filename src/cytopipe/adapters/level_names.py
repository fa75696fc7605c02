"""What the names of one level of folders look like: patients, parts of a set, numbers, or words of classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Literal

from cytopipe.adapters.layout import SPLIT_WORDS, split_of, words_of

Kind = Literal["split", "part", "patient", "number", "one", "scale", "word"]

_OF_A_PATIENT = (
    r"patients?|pat|pt|pts|subjects?|subj|sub|cases?|slides?|specimens?|samples?|donors?|animals?|mouse|mice|rats?"
    r"|persons?|people|participants?|pid|id|fov|fields?|wells?|plates?|scans?|wsi|smears?|biops(?:y|ies)|roi|tcga"
    r"|images?|img|exp|experiments?|sessions?|series|days?|records?|acc(?:ession)?"
)
_PATIENT = re.compile(rf"(?:^|[\W_\d])(?:{_OF_A_PATIENT})[\W_]*(?:no|nr)?[\W_]*[a-z]?\d+", re.IGNORECASE)
_SHORT_PATIENT = re.compile(
    r"^[PS][\W_]*\d+$|^(?:patient|case|slide|subject|donor|specimen|animal|mouse)[\W_]*[a-z]$", re.IGNORECASE
)
_WITH_PATIENT = re.compile(r"^([PS]\d+)[\W_]+\w", re.IGNORECASE)  # `P1_normal`, a patient and a class in one
_LONG_NUMBER = re.compile(r"\d{3,}")
_HASH = re.compile(r"^(?=.*\d)[0-9a-f]{8,}$|^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-", re.IGNORECASE)
_DATE = re.compile(r"\d{4}[-_.]?\d{2}[-_.]?\d{2}")
_CLASS = re.compile(
    r"class|klasse|grade|grad|stage|stadium|type|typ|cin|categor|cat|level|score|birads|gleason|degree|label|group",
    re.IGNORECASE,
)
_PART = re.compile(
    r"^(?:k?fold|cv|part|batch|set|chunk|subset|shard|site|cent(?:er|re)|hospital|split|round)s?[\W_]*\d+$"
    r"|^\d+(?:st|nd|rd|th)?[\W_]*folds?$|^(?:k?fold|part|batch|site|cent(?:er|re)|hospital)[\W_]*[a-z]$",
    re.IGNORECASE,
)
_WELL = re.compile(r"^([A-P])[\W_]*(\d{1,2})$")
_SCALE = re.compile(r"^(?:mag(?:nification)?[\W_]*)?\d+(?:[.,]\d+)?[\W_]*(?:x|px|um|µm|μm)$", re.IGNORECASE)
_COUNT = re.compile(r"(?<=\d[\W_])\d{1,2}$")
_NUMBER = re.compile(r"^[^\W\d_]?[\W_]*\d{1,2}[a-z]?$", re.IGNORECASE)
_NAMED_NUMBER = re.compile(r"^[^\W\d_]+[\W_]*\d{1,2}$")
MOST_CODES = 20  # numbers of classes; a level of more numbers than these counts patients
_MOST = 0.7  # share of the names that decides


def kind_of(names: Collection[str]) -> Kind:
    """What the folders of one level are, as far as their names tell.

    Args:
        names: the distinct names of the level's folders.

    Returns:
        "split": each names a split. "part": folds, parts, batches. "patient": names as patients, slides and cases have
        them. "number": short numbers, which may count classes or patients. "scale": magnifications. "one": there is
        one name only. "word": anything else.
    """
    if splits_of(names):
        return "split"
    if len(names) == 1:
        return "one"
    if _share(names, lambda name: bool(_PART.match(name))) == 1:
        return "part"
    if _share(names, lambda name: bool(_SCALE.match(name))) == 1:
        return "scale"
    counted = {_COUNT.sub("", name) for name in names}  # `HER2_0`, `HER2_1`: one name, counted
    if len(counted) == 1 and _LONG_NUMBER.search("".join(counted)) is None:
        return "patient" if len(names) > MOST_CODES else "number"
    wells = [match for name in names if (match := _WELL.match(name))]
    rows, columns = {match[1] for match in wells}, {match[2] for match in wells}
    if len(wells) == len(names) and len(rows) > 1 and len(columns) > 1 and len(wells) > max(len(rows), len(columns)):
        return "patient"
    found = [match[1].lower() for name in names if (match := _WITH_PATIENT.match(name))]
    if _share(names, is_patient) >= _MOST or (len(set(found)) > 1 and len(found) >= _MOST * len(names)):
        return "patient"
    if _share(names, lambda name: bool(_CLASS.search(name))) >= _MOST:
        return "word"
    numbers = _share(names, lambda name: bool(_NUMBER.match(name) or is_patient(name)))
    named = Counter(re.sub(r"[\W_]*\d+$", "", name).lower() for name in names if _NAMED_NUMBER.match(name))
    if numbers >= _MOST or (named and max(named.values()) / len(names) >= _MOST):
        return "patient" if len(names) > MOST_CODES else "number"
    return "word"


def is_patient(name: str) -> bool:
    """Whether a name looks like that of a patient, slide or case: `P12`, `patient_3`, `8863`, `TCGA-A1-A0SB`."""
    if _CLASS.search(name) and not _LONG_NUMBER.search(name):
        return False
    if _PATIENT.search(name) or _SHORT_PATIENT.match(name) or _HASH.match(name) or _DATE.search(name):
        return True
    numbers = _LONG_NUMBER.findall(name)
    letters = re.sub(r"[\W\d_]", "", name)
    return bool(numbers and len(letters) <= 4) or (len(re.findall(r"\d+", name)) >= 2 and len(letters) <= 12)


def splits_of(names: Collection[str]) -> dict[str, str]:
    """The split that each of a level's folders names; empty where not all of them name one.

    `cells_train` and `cells_test` name splits too: what stands beside the split's word is the same in all of them.
    """
    found = {name: split_of(name) for name in names}
    if all(found.values()):
        return {name: str(split) for name, split in found.items()}
    loose = {name: _loose(name) for name in names}
    rests = {rest for _, rest in loose.values()}
    if (
        len(rests) == 1
        and all(split for split, _ in loose.values())
        and len({split for split, _ in loose.values()}) > 1
    ):
        return {name: str(split) for name, (split, _) in loose.items()}
    return {}


def joined_with_splits(names: Collection[str]) -> list[str]:
    """Names that hold a split and a class in one, `train_normal` beside `test_normal`; sorted."""
    loose: Mapping[str, tuple[str | None, str]] = {name: _loose(name) for name in names}
    sides: dict[str, set[str]] = {}
    for split, rest in loose.values():
        if split and rest:
            sides.setdefault(rest, set()).add(split)
    both = {rest for rest, splits in sides.items() if len(splits) > 1}
    return sorted(name for name, (split, rest) in loose.items() if split and rest in both)


def _loose(name: str) -> tuple[str | None, str]:
    """The split whose word a name holds, if it holds one only, and the rest of its words."""
    words = words_of(name)
    splits = [word for word in words if word in SPLIT_WORDS]
    if len(splits) != 1:
        return None, name
    return SPLIT_WORDS[splits[0]], " ".join(word for word in words if word not in SPLIT_WORDS)


def _share(names: Collection[str], test: Callable[[str], bool]) -> float:
    return sum(test(name) for name in names) / len(names)
