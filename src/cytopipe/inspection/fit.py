"""Parameters that fit a source, tried with the adapter that will read it."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from cytopipe.adapters.base import Sample
from cytopipe.adapters.class_levels import describe, read_class_levels
from cytopipe.adapters.level_names import kind_of
from cytopipe.adapters.levels import Levels, listed
from cytopipe.adapters.mask_names import paired_names
from cytopipe.adapters.registry import ADAPTERS
from cytopipe.core.io.hashing import sha256_file
from cytopipe.core.params import DEVELOPMENT, SPLITS
from cytopipe.errors import CytopipeError
from cytopipe.inspection.masks import options_for
from cytopipe.inspection.name_groups import name_groups
from cytopipe.inspection.seen import Fit, Group, Masks, Table

_IN_WORDS = {DEVELOPMENT: "train and val"}
KEY = "datasets.mine.options"


@dataclass
class _Draft:
    """Options that are being found, with a sentence for each."""

    options: dict[str, Any] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    unclear: list[str] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    has_groups: bool = False

    def because(self, reason: str) -> None:
        """Add a reason for the kind of split."""
        before = self.why.get("split.kind")
        self.why["split.kind"] = f"{before}; {reason}" if before else reason

    def set(self, option: str, value: Any, why: str = "") -> None:
        self.options[option] = value
        if why:
            self.why[option] = why


def fit(
    raw: Path, paths: Sequence[PurePosixPath], images: Sequence[PurePosixPath], masks: Masks, tables: Sequence[Table]
) -> tuple[Fit, list[Group]]:
    """The options and the kind of split that fit, and the candidates for the group.

    Args:
        raw: folder of the source.
        paths: all files below it.
        images: the images among them that are no masks.
        masks, tables: as they were seen.
    """
    draft = _Draft()
    table = next((table for table in tables if table.column("image") and table.column("label")), None)
    try:
        if not images:
            raise CytopipeError("there is no image that is read here", where=raw)
        with quiet():
            if table is not None:
                _from_table(draft, raw, table, images, masks)
            else:
                _note_tables(draft, tables)
                _from_folders(draft, raw, paths, masks)
            samples = ADAPTERS["folder"].read(raw, draft.options, KEY)
            samples = _with_name_groups(draft, raw, samples)
    except CytopipeError as error:
        draft.unclear.append(_without_root(str(error), raw))
        return Fit(draft.options, "grouped", draft.why, tuple(draft.unclear)), draft.groups
    kind = _split(draft, samples)
    classes = Counter(sample.label for sample in samples)
    if len(classes) == 1:
        draft.unclear.append(f"all images are of the one class '{samples[0].label}'; a classifier needs two")
    splits = Counter(_IN_WORDS.get(sample.split, sample.split) for sample in samples if sample.split)
    count = len({sample.group for sample in samples}) if draft.has_groups else 0
    done = Fit(draft.options, kind, draft.why, tuple(draft.unclear), dict(sorted(classes.items())), dict(splits), count)
    return done, draft.groups


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the messages of the readers back: what they say is shown by the inspection itself."""
    logger = logging.getLogger("cytopipe")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _without_root(message: str, raw: Path) -> str:
    return message.replace(f"{raw}/", "").replace(f"{raw}: ", "")


def _note_tables(draft: _Draft, tables: Sequence[Table]) -> None:
    for table in tables:
        if table.fault:
            draft.unclear.append(f"{table.path} cannot be read as a table: {table.fault}")
        elif table.column("image"):
            columns = listed([column.name for column in table.columns], 8)
            draft.unclear.append(
                f"{table.path} names images, but which of its columns {columns} is the class is not clear; if one is, "
                f"set options.csv: {table.path} and options.label"
            )


def _from_table(draft: _Draft, raw: Path, table: Table, images: Sequence[PurePosixPath], masks: Masks) -> None:
    draft.set("csv", table.path, f"{table.rows} rows name {table.named} of {len(images)} images")
    if table.several:
        by_option = ", or set options.suffix" if "suffix" in ADAPTERS["folder"].options.model_fields else ""
        draft.unclear.append(f"{table.path}: {table.several} Write the suffixes in the table{by_option}")
    draft.set("images", table.images, "the folder that the names are below")
    for option in ("image", "label", "group", "split"):
        column = table.column(option)
        if column is None:
            continue
        seen = next(one for one in table.columns if one.name == column)
        draft.set(option, column, f"{seen.distinct} different values: {', '.join(seen.examples)}")
        if option == "group":
            draft.has_groups = True
            draft.groups.append(Group("group", column, seen.distinct, seen.examples))
    if attributes := [one for one in table.columns if one.role == "attribute"]:
        shown = ", ".join(f"{one.name} ({', '.join(one.examples[:3])})" for one in attributes)
        names = ", ".join(one.name for one in attributes)
        draft.why["attributes"] = f"columns that may be attributes: {shown}; results by each: attributes: [{names}]"
    below = [image for image in images if image.is_relative_to(table.images)]
    _with_folders_of_table(draft, table, below)
    if len(below) > table.named:
        draft.set("unlisted", True, f"{len(below) - table.named} images that the table does not name are left out")
    _with_masks(draft, masks)
    if (
        masks.files
        and "masks" not in draft.options
        and any(PurePosixPath(folder).is_relative_to(table.images) for folder in masks.folders or (table.images,))
    ):
        draft.set("unlisted", True, "the masks among the images, and images that the table does not name, are left out")


def _with_folders_of_table(draft: _Draft, table: Table, images: Sequence[PurePosixPath]) -> None:
    """Use folders that name the split or the patient of images whose class a table names."""
    chains = [image.relative_to(table.images).parts[:-1] for image in images]
    depth = min(map(len, chains), default=0)
    words: list[str] = []
    why = []
    for level in range(depth):
        names = sorted({chain[level] for chain in chains})
        kind = kind_of(names)
        word = {"split": "split", "patient": "group"}.get(kind, "any")
        if word in words or word in draft.options or (word == "split" and len(names) == 1):
            word = "any"
        words.append(word)
        if word != "any":
            why.append(f"{word} ({listed(names, 3)})")
        if word == "group":
            draft.has_groups = True
            draft.groups.append(Group("folders", "/".join(words), len(names), tuple(names[:4])))
    if why:
        while words[-1] == "any":
            words.pop()
        draft.set("folders", "/".join(words), f"what the folders mean, from the top: {', '.join(why)}")


def _from_folders(draft: _Draft, raw: Path, paths: Sequence[PurePosixPath], masks: Masks) -> None:
    levels, images = read_class_levels(raw, paths, None)
    if pairs := paired_names(images):
        draft.unclear.append(
            f"{pairs[1]} of {len(images)} images are named like another with '{pairs[0]}' added: if they are masks or "
            "changed copies, take them out of the source"
        )
    if masks.folders:
        draft.set("images", levels.top.as_posix(), "the folder above the first level")
    draft.set("folders", levels.stated, f"what the folders mean, from the top: {_levels(levels)}")
    if "group" in levels.meanings:
        names = levels.names[levels.meanings.index("group")]
        draft.has_groups = True
        draft.groups.append(Group("folders", levels.stated, len(names), names[:4]))
    _with_masks(draft, masks)


def _levels(levels: Levels) -> str:
    named = (f"{meaning} ({listed(names, 3)})" for meaning, names in zip(levels.meanings, levels.names, strict=True))
    return f"{', '.join(named)}{'; ' + describe(levels) if levels.splits else ''}"


def _with_masks(draft: _Draft, masks: Masks) -> None:
    """Use the masks where they lie in one place and their values have the usual meaning."""
    if not masks.files:
        return
    options = options_for(masks, draft.options.get("images", "."))
    values = ", ".join(map(str, masks.values[:12]))
    for option, value in (options or {}).items():
        draft.set(option, value, f"{masks.files} masks with the values {values}")
    if "mask_values" in draft.options:
        draft.why["mask_values"] = "by brightness: 0 background, 1 cytoplasm, 2 nucleus; check it"
    if options is None and len(masks.folders) == 1:
        draft.why["masks"] = (
            f"{masks.files} masks in {masks.folders[0]} with the values {values}: to learn from them, set masks: "
            f"{masks.folders[0]} and mask_values, which says what each value means"
        )
    elif options is None:
        draft.why["masks"] = f"{masks.files} files look like masks and are left out"


def _with_name_groups(draft: _Draft, raw: Path, samples: list[Sample]) -> list[Sample]:
    """The samples with the groups that their files' names surely tell, where nothing else tells them."""
    if draft.has_groups:
        return samples
    for group, sure in name_groups([sample.group for sample in samples]):
        draft.groups.append(group)
        if sure and not draft.has_groups:
            draft.has_groups = True
            examples = ", ".join(group.examples)
            draft.set("group_pattern", group.value, f"{group.groups} groups in the names of the files: {examples}")
            samples = ADAPTERS["folder"].read(raw, draft.options, KEY)
    return samples


def _split(draft: _Draft, samples: Sequence[Sample]) -> str:
    """The kind of split that is honest for these samples, with the reason."""
    sides = {sample.split for sample in samples}
    present = {DEVELOPMENT: {"train", "val"}}
    known = set().union(*(present.get(str(side), {str(side)}) for side in sides))
    if None not in sides and known >= set(SPLITS):
        fault = _fault_of_published(draft, samples)
        if fault is None:
            draft.why["split.kind"] = "the source's own split"
            return "published"
        draft.why["split.kind"] = f"the source's own split cannot be used: {fault}"
    elif sides != {None}:
        draft.why["split.kind"] = f"the source's own split lacks {listed(sorted(set(SPLITS) - known))}"
    if not draft.has_groups:
        draft.because(
            "no patient or slide is known, so images of one may lie on both sides and the results be too "
            "good: name a column, folders or a pattern (options.group, folders or group_pattern) and write grouped"
        )
    else:
        draft.because("groups stay on one side")
    groups = defaultdict(set)
    for sample in samples:
        groups[sample.label].add(sample.group)
    unit = "group" if draft.has_groups else "image"
    for label, found in sorted(groups.items()):
        if len(found) < len(SPLITS):
            draft.unclear.append(
                f"the class '{label}' has {len(found)} {unit}{'' if len(found) == 1 else 's'} "
                f"({', '.join(sorted(found))}); three are needed, one for each split: exclude the class "
                f"(exclude_classes: ['{label}']), or add images of others"
            )
    return "grouped" if draft.has_groups else "random"


def _fault_of_published(draft: _Draft, samples: Sequence[Sample]) -> str | None:
    """Why the source's own split would be refused; None if it would not be."""
    if draft.has_groups:
        splits: dict[str, set[str | None]] = defaultdict(set)
        for sample in samples:
            splits[sample.group].add(sample.split)
        torn = sorted(group for group, sides in splits.items() if len(sides) > 1)
        if torn:
            return f"{len(torn)} groups lie in several splits, first '{torn[0]}'"
    labels = {sample.label for sample in samples}
    held: dict[str | None, set[str]] = defaultdict(set)
    for sample in samples:
        held[sample.split].add(sample.label)
    for side, found in sorted(held.items(), key=str):
        if missing := sorted(labels - found):
            return f"'{side}' has no image of {listed(missing)}"
    sizes: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        sizes[sample.image.stat().st_size].append(sample)
    seen: dict[str, Sample] = {}
    for same in sizes.values():
        if len({sample.split for sample in same}) < 2:
            continue
        for sample in same:
            first = seen.setdefault(sha256_file(sample.image), sample)
            if first.split != sample.split:
                return f"one image lies in '{first.split}' and in '{sample.split}' ({first.image.name})"
    return None
