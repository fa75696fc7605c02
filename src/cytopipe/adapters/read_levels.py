"""Reads the levels of a tree of folders: which is the split, which the class, which the patient.

It is decided from all paths at once. A level whose every folder is named like a split is the split. Of the others, one
must be the class: a level of words among levels of patients or numbers. What stays unclear is an error that names the
readings to choose from in `options.folders`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cytopipe.adapters.layout import split_of
from cytopipe.adapters.level_names import Kind, is_patient, joined_with_splits, kind_of, splits_of
from cytopipe.adapters.levels import Levels, Meaning, listed
from cytopipe.errors import CytopipeError


def read_levels(
    images: Sequence[PurePosixPath], where: Path, stated: tuple[Meaning, ...] = (), table: str = ""
) -> Levels:
    """The levels of the folders that hold some images.

    Args:
        images: paths of all images below the folder `where`; not empty.
        where: for messages.
        stated: the meanings in `options.folders`; empty decides from the tree.
        table: a table that may hold the labels, for messages.

    Raises:
        CytopipeError: for an image outside all folders, for levels without a class, for a tree that can be read in
            several ways, and for one that does not fit `stated`.
    """
    if stated:
        return _as_stated(images, where, stated)
    depth = min(len(image.parts) - 1 for image in images)
    if depth == 0:
        first = next(image for image in images if len(image.parts) == 1)
        count = sum(len(image.parts) == 1 for image in images)
        others = "" if count == 1 else f", and {count - 1} more"
        raise CytopipeError(
            f"an image outside the class folders{others}",
            where=where / first,
            hint="name the labels' file in options.csv"
            + (f" (is it {table}?)" if table else "")
            + ("" if count == len(images) else ", or move the image into the folder of its class"),
        )
    return Tree.of(images, _top(images, depth, keep=1), where).read()


def _top(images: Sequence[PurePosixPath], depth: int, keep: int, through_splits: bool = False) -> PurePosixPath:
    """The folders that hold every image and mean nothing; at least `keep` levels are left below them."""
    top: list[str] = []
    while depth - len(top) > keep:
        names = {image.parts[len(top)] for image in images}
        if len(names) > 1 or (split_of(next(iter(names))) and not through_splits):
            break
        top.extend(names)
    return PurePosixPath(*top)


def _as_stated(images: Sequence[PurePosixPath], where: Path, words: tuple[Meaning, ...]) -> Levels:
    shallow = min(images, key=lambda image: len(image.parts))
    depth = len(shallow.parts) - 1
    if depth < len(words):
        raise CytopipeError(
            f"this image lies in {depth} folder{'' if depth == 1 else 's'}, but options.folders names {len(words)} "
            f"levels ({'/'.join(words)})",
            where=where / shallow,
            hint="move it, or correct options.folders",
        )
    top = _top(images, depth, keep=len(words), through_splits=True)
    names = Tree.of(images, top, where).names[: len(words)]
    splits: dict[str, str] = {}
    if "split" in words:
        level = names[words.index("split")]
        splits = splits_of(level)
        if not splits:
            wrong = next((name for name in level if split_of(name) is None), level[0])
            raise CytopipeError(
                f"options.folders says that '{wrong}' is a split, but its name is none of train, val and test",
                where=where,
                hint="rename the folder, or write any in place of split in options.folders",
            )
    return Levels(top, words, names, splits)


@dataclass(frozen=True)
class Tree:
    """The folders of some images, down to the depth of the image that lies in the fewest.

    Attributes:
        where: for messages.
        top: see `Levels`.
        chains: the folders of each image below `top`, all of them.
        depth: the number of levels that every image has.
    """

    where: Path
    top: PurePosixPath
    chains: tuple[tuple[str, ...], ...]
    depth: int

    @classmethod
    def of(cls, images: Sequence[PurePosixPath], top: PurePosixPath, where: Path) -> Tree:
        """The tree of images below `top`."""
        chains = tuple(image.parts[len(top.parts) : -1] for image in images)
        return cls(where, top, chains, min(map(len, chains)))

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """The distinct folder names of each level, sorted."""
        return tuple(tuple(sorted({chain[level] for chain in self.chains})) for level in range(self.depth))

    def read(self) -> Levels:
        """Decide what each level means."""
        names = self.names
        kinds = [kind_of(level) for level in names]
        for level in range(1, self.depth):
            if all(chain[level] == chain[level - 1] for chain in self.chains):  # `a/a` and `b/b` say nothing twice
                kinds[level] = "one"
        split = self._split_level(kinds, names)
        for level, kind in enumerate(kinds):
            if level != split:
                self._refuse_mixtures(level, kind, names[level])
        rest = [level for level, kind in enumerate(kinds) if kind not in ("split", "one", "scale")]
        if not rest:  # doses as classes, not magnifications; or one class, which is said where classes are counted
            doses = [at for at, kind in enumerate(kinds) if kind == "scale" and names[at][0][-1] not in "xX"]
            rest = (doses or [at for at, kind in enumerate(kinds) if kind == "one"])[:1]
        if not rest:
            self._refuse_splits_alone(kinds, names)
        label = self._class_level(rest, kinds, names)
        self._refuse_ragged(label, names)
        group = next((level for level in rest if level != label and kinds[level] == "patient"), None)
        if group is None:
            group = next((level for level in rest if level != label and kinds[level] == "number"), None)
        meaning: dict[int | None, Meaning] = {group: "group", label: "class", split: "split"}
        splits = splits_of(names[split]) if split is not None else {}
        used = tuple(meaning.get(level, "any") for level in range(self.depth))
        notes = tuple(self._notes(label, group, kinds, names, used))
        return Levels(self.top, used, names, splits, notes)

    def _split_level(self, kinds: list[Kind], names: tuple[tuple[str, ...], ...]) -> int | None:
        levels = [level for level, kind in enumerate(kinds) if kind == "split"]
        return max(levels, key=lambda level: len(names[level]), default=None)

    def _refuse_mixtures(self, level: int, kind: Kind, names: tuple[str, ...]) -> None:
        """Splits beside other folders, and splits and classes in one name."""
        if kind == "split":
            return
        if joined := joined_with_splits(names):
            raise CytopipeError(
                f"the folders {listed(joined)} name a split and a class in one",
                where=self.where,
                hint="make a folder for each split with a folder for each class in it (train/normal), or set "
                f"options.folders: {self.reading(level)} if each of them is a class",
            )
        splits = [name for name in names if split_of(name)]
        others = [name for name in names if not split_of(name)]
        if not splits or not others:
            return
        alike = self._below(level, splits) & self._below(level, others)
        if len({split_of(name) for name in splits}) > 1 or alike:
            raise CytopipeError(
                f"the folders {listed(splits)} are splits, but {listed(others)} beside them "
                f"{'is' if len(others) == 1 else 'are'} not",
                where=self.where,
                hint=f"rename {listed(others)} to train, val or test, or take it out of the source; options.folders: "
                f"{self.reading(level)} if each of these folders is a class",
            )

    def _below(self, level: int, names: Sequence[str]) -> set[str]:
        return {chain[level + 1] for chain in self.chains if len(chain) > level + 1 and chain[level] in names}

    def _refuse_splits_alone(self, kinds: list[Kind], names: tuple[tuple[str, ...], ...]) -> None:
        level = next(level for level, kind in enumerate(kinds) if kind in ("split", "scale"))
        direct = sorted({chain[level] for chain in self.chains if len(chain) == self.depth})
        raise CytopipeError(
            f"the images of {listed(direct)} lie in no folder of a class",
            where=self.where,
            hint="name the table of their labels in options.csv, or take these folders out of the source; "
            f"options.folders: {self.reading(level)} if {listed(names[level])} are the classes",
        )

    def _class_level(self, rest: list[int], kinds: list[Kind], names: tuple[tuple[str, ...], ...]) -> int:
        if len(rest) == 1:
            if kinds[rest[0]] in ("patient", "part"):
                self._refuse_patients(rest[0], kinds[rest[0]], names[rest[0]])
            return rest[0]
        words = [level for level in rest if kinds[level] in ("word", "one")]
        numbers = [level for level in rest if kinds[level] == "number"]
        candidates = words or numbers
        if len(candidates) == 1:
            label = candidates[0]
            above = [level for level in rest if level < label and kinds[level] == "number"]
            if all(self._repeats(level, label) for level in above):
                return label
        raise self._unclear(candidates or rest, names)

    def _repeats(self, upper: int, lower: int) -> bool:
        """Whether the names of a level stand below several folders of a level above it."""
        above: dict[str, set[str]] = defaultdict(set)
        for chain in self.chains:
            above[chain[lower]].add(chain[upper])
        return sum(len(found) > 1 for found in above.values()) * 2 > len(above)

    def _unclear(self, levels: list[int], names: tuple[tuple[str, ...], ...]) -> CytopipeError:
        parts = [f"{listed(names[level])} ({self.reading(level)})" for level in levels]
        upper = levels[0]
        hint = "set options.folders to the reading that is right; any is a level without a meaning"
        if len(levels) > 1:
            hint += f", group the patients or slides, as in {self.reading(levels[-1], group=upper)} or "
            hint += self.reading(upper, group=levels[-1])
        repeated = [lower for lower in levels[1:] if self._repeats(upper, lower)]
        why = f"; {listed(names[repeated[0]])} stand below several of {listed(names[upper])}" if repeated else ""
        return CytopipeError(f"which folders are the classes: {' or '.join(parts)}?{why}", where=self.where, hint=hint)

    def _refuse_patients(self, level: int, kind: Kind, names: tuple[str, ...]) -> None:
        what = "parts of a set" if kind == "part" else "patients, slides or cases"
        raise CytopipeError(
            f"the {len(names)} folders {listed(names)} look like {what}, not like classes",
            where=self.where,
            hint=f"name the table of the labels in options.csv, with options.folders: "
            f"{self.reading(None, group=level)} to keep each folder on one side of the split; options.folders: "
            f"{self.reading(level)} if these folders are the classes",
        )

    def reading(self, label: int | None, group: int | None = None) -> str:
        """The value of `options.folders` with the class and the group at these levels."""
        words: list[str] = []
        for level, names in enumerate(self.names):
            is_split = splits_of(names) and len(names) > 1
            words.append("class" if level == label else "group" if level == group else "split" if is_split else "any")
        while words[-1] == "any" and len(words) > 1:
            words.pop()
        return "/".join(words)

    def _refuse_ragged(self, label: int, names: tuple[tuple[str, ...], ...]) -> None:
        """Class folders that hold the folders of other classes, or several folders of words and no image."""
        if label != self.depth - 1:
            return
        direct = {chain[label] for chain in self.chains if len(chain) == self.depth}
        below: dict[str, set[str]] = defaultdict(set)
        for chain in self.chains:
            if len(chain) > self.depth:
                below[chain[label]].add(chain[self.depth])
        for name, inner in sorted(below.items()):
            if twice := sorted(inner & set(names[label])):
                raise CytopipeError(
                    f"the folder '{name}' holds {listed(twice)}, which also {'lies' if len(twice) == 1 else 'lie'} "
                    "beside it: is it a second copy of the images?",
                    where=self.where / self.top,
                    hint="keep one of the copies, or put the images of one class into one folder",
                )
            if name not in direct and len(direct) > 0 and len(inner) > 1 and kind_of(inner) not in ("patient", "scale"):
                raise CytopipeError(
                    f"{listed(sorted(direct))} hold images, but '{name}' beside them holds the folders "
                    f"{listed(sorted(inner))}: which are the classes?",
                    where=self.where / self.top,
                    hint=f"bring the images of all classes to one depth, or set options.folders: {self.reading(label)} "
                    f"if '{name}' is one class",
                )

    def _notes(
        self,
        label: int,
        group: int | None,
        kinds: list[Kind],
        names: tuple[tuple[str, ...], ...],
        meanings: tuple[Meaning, ...],
    ) -> list[str]:
        notes = []
        if group is not None:
            without = "/".join("any" if word == "group" else word for word in meanings)
            notes.append(
                f"the {len(names[group])} folders {listed(names[group])} are taken for patients or slides: images of "
                f"one never straddle the split (options.folders: {'/'.join(meanings)}; {without} if they are not)"
            )
        for level, kind in enumerate(kinds):
            if kind == "part":
                notes.append(
                    f"the folders {listed(names[level])} are neither read as classes nor as splits; options.folders: "
                    f"{self.reading(label, group=level)} keeps each on one side of the split"
                )
        inside = [chain for chain in self.chains if len(chain) > self.depth]
        deeper = sorted({chain[self.depth] for chain in inside})
        if deeper:
            notes.append(
                f"{len(inside)} images lie deeper than the others, in {listed(deeper)}, and are of the class above them"
            )
        if group is None and any(is_patient(name) for name in deeper):
            notes.append(
                f"the folders {listed(deeper)} below the classes look like patients or slides, but not every "
                "image lies in one, so each image is its own group; move the others into such folders, or set "
                "options.group_pattern"
            )
        return notes
