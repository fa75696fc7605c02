"""Answers on the disk: whole, resumed, taken back, and of two reviewers at once."""

from __future__ import annotations

import csv
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest

from cytopipe import paths
from cytopipe.core.io.atomic import write_bytes
from cytopipe.core.params import Params
from cytopipe.data.imaging.decode import read_png
from cytopipe.data.imaging.masks import read_mask
from cytopipe.errors import CytopipeError
from cytopipe.review.answers import Answer, Answers, ChangedError
from cytopipe.review.cells import cell_queue
from cytopipe.review.images import image_queue
from cytopipe.review.items import Queue
from made_review import CLASSES, HEIGHT, WIDTH

TABLE = paths.CORRECTIONS / "cells.csv"


@pytest.fixture
def queue(project: Params) -> Queue:
    return image_queue(project, "first", "uncertainty")


def written() -> list[dict[str, str]]:
    with TABLE.open(newline="") as file:
        return list(csv.DictReader(file))


def drawn(value: int = 2) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5:20, 5:20] = 1
    mask[8:12, 8:12] = value
    return mask


def test_an_answer_is_a_row_of_the_table_of_corrections(queue: Queue) -> None:
    answers, one = Answers(TABLE, CLASSES), queue.items[0]
    answers.give(one, Answer("malignant", "AB", "two nuclei,\n really"), None)
    assert written() == [{"image": one.id, "label": "malignant", "reason": "AB: two nuclei, really"}]
    assert Answers(TABLE, CLASSES).rows().keys() == {one.id}  # another start goes on from here


def test_outlines_lie_beside_the_table_under_a_name_of_their_content(queue: Queue) -> None:
    answers, one = Answers(TABLE, CLASSES), queue.items[0]
    row = answers.give(one, Answer(one.label, "AB", mask=drawn()), None)
    assert (read_mask(paths.CORRECTIONS / row["mask"]) == drawn()).all()
    found = answers.outlines(one.id, (HEIGHT, WIDTH))
    assert found is not None and (found == drawn()).all()
    again = answers.give(one, Answer("malignant", "AB"), row)
    assert again["mask"] == row["mask"]  # a later answer keeps them


def test_a_new_cell_brings_its_picture_and_group(project: Params) -> None:
    one = cell_queue(project, "cells", [Path("fields/slide.png")], Path("screened"), "uncertainty").items[0]
    row = Answers(TABLE, CLASSES).give(one, Answer("benign", "AB"), None)
    assert (row["image"], row["group"]) == (one.id, "slide")
    assert (read_png(paths.CORRECTIONS / row["file"]) == one.picture()).all()


def test_rows_and_columns_of_a_person_stay(queue: Queue) -> None:
    paths.CORRECTIONS.mkdir(parents=True)
    first, second = queue.items[:2]
    TABLE.write_text(f"image;label;reason;seen by\nraw/{first.id}.png;malignant;typed;me\n")
    answers = Answers(TABLE, CLASSES, queue.aliases)
    assert set(answers.rows()) == {first.id}  # by its file
    answers.give(second, Answer("benign", "AB"), None)
    assert written()[0] == {"image": f"raw/{first.id}.png", "label": "malignant", "reason": "typed", "seen by": "me"}
    assert written()[1]["image"] == second.id


def test_a_table_that_names_an_image_twice_is_refused_as_a_row_would_be_lost(queue: Queue) -> None:
    paths.CORRECTIONS.mkdir(parents=True)
    one = queue.items[0].id
    text = f"image,label,reason\n{one},benign,typed\nraw/{one}.png,malignant,typed\n"
    TABLE.write_text(text)
    with pytest.raises(CytopipeError, match=rf"'{one}' stands twice[\s\S]*{TABLE}:3|{TABLE}:3.*'{one}' stands twice"):
        Answers(TABLE, CLASSES, queue.aliases)
    assert TABLE.read_text() == text


def test_files_that_a_person_put_beside_the_answers_stay(queue: Queue) -> None:
    folder = paths.CORRECTIONS / "cells"
    folder.mkdir(parents=True)
    for name in ("mine.png", "old.mask-0123456789.png"):
        (folder / name).write_bytes(b"x")
    Answers(TABLE, CLASSES).tidy()
    assert [path.name for path in folder.iterdir()] == ["mine.png"]


def test_undo_restores_rows_and_outlines_even_after_a_restart(queue: Queue) -> None:
    one, other = queue.items[:2]
    answers = Answers(TABLE, CLASSES)
    row = answers.give(one, Answer("benign", "AB", mask=drawn()), None)
    answers.give(one, Answer("malignant", "AB", mask=drawn(1)), row)
    answers.give(other, Answer("leave out", "CD"), None)
    answers = Answers(TABLE, CLASSES)
    answers.tidy()
    assert answers.undo("AB") == one.id
    assert answers.rows()[one.id] == row
    found = answers.outlines(one.id, (HEIGHT, WIDTH))
    assert found is not None and (found == drawn()).all()
    assert answers.undo("AB") == one.id and set(answers.rows()) == {other.id}
    assert list((paths.CORRECTIONS / "cells").glob("*")) == []
    with pytest.raises(CytopipeError, match="no answer of yours"):
        answers.undo("AB")
    assert answers.undo("CD") == other.id and answers.rows() == {}


def test_what_was_put_off_stays_so_until_it_is_answered(queue: Queue) -> None:
    one, other = queue.items[:2]
    answers = Answers(TABLE, CLASSES)
    for item in (one, other):
        answers.skip(item, "AB")
    answers.give(one, Answer("benign", "AB"), None)
    assert Answers(TABLE, CLASSES).skipped() == {other.id}
    answers.undo("AB")
    answers.undo("AB")
    assert answers.skipped() == {one.id}


def test_an_answer_to_what_another_has_answered_meanwhile_is_refused(queue: Queue) -> None:
    one = queue.items[0]
    mine, theirs = Answers(TABLE, CLASSES), Answers(TABLE, CLASSES)
    row = theirs.give(one, Answer("malignant", "CD"), None)
    with pytest.raises(ChangedError, match=r"'malignant' \(reviewed by CD\)"):
        mine.give(one, Answer("benign", "AB"), None)
    assert mine.rows()[one.id] == row
    mine.give(one, Answer("benign", "AB"), row)  # knowing it
    with pytest.raises(ChangedError):
        theirs.undo("CD")
    assert mine.rows()[one.id]["label"] == "benign"


def _answer_all(folder: Path, reviewer: str, places: list[int]) -> None:
    from cytopipe.core.params import load_params

    os.chdir(folder)
    queue = image_queue(load_params(paths.PARAMS), "first", "uncertainty")
    answers = Answers(TABLE, CLASSES)
    for place in places:
        answers.give(queue.items[place], Answer("benign", reviewer, mask=drawn()), None)


def test_two_processes_lose_no_answer(queue: Queue, tmp_path: Path) -> None:
    count = len(queue.items)
    context = multiprocessing.get_context("fork")
    halves = [list(range(start, count, 2)) for start in (0, 1)]
    people = [
        context.Process(target=_answer_all, args=(tmp_path, name, half))
        for name, half in zip(("AB", "CD"), halves, strict=True)
    ]
    for one in people:
        one.start()
    for one in people:
        one.join(60)
    assert [one.exitcode for one in people] == [0, 0]
    assert {row["image"] for row in written()} == {one.id for one in queue.items}
    assert len(Answers(TABLE, CLASSES).journal.standing()) == count


def test_a_crash_between_files_and_table_leaves_the_old_answer(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    one = queue.items[0]
    answers = Answers(TABLE, CLASSES)
    row = answers.give(one, Answer("benign", "AB", mask=drawn()), None)

    def crash(path: Path, data: bytes) -> None:
        if path == TABLE:
            raise KeyboardInterrupt
        write_bytes(path, data)

    monkeypatch.setattr("cytopipe.review.answers.write_bytes", crash)
    with pytest.raises(KeyboardInterrupt):
        answers.give(one, Answer("malignant", "AB", mask=drawn(1)), row)
    monkeypatch.setattr("cytopipe.review.answers.write_bytes", write_bytes)
    again = Answers(TABLE, CLASSES)
    assert again.rows()[one.id] == row
    again.tidy()
    assert [path.name for path in (paths.CORRECTIONS / "cells").iterdir()] == [Path(row["mask"]).name]


def test_a_line_of_the_journal_that_a_crash_cut_off_is_ignored(queue: Queue) -> None:
    answers = Answers(TABLE, CLASSES)
    answers.give(queue.items[0], Answer("benign", "AB"), None)
    with answers.journal.path.open("a") as file:
        file.write('{"id": "cut o')
    answers.give(queue.items[1], Answer("benign", "AB"), None)
    assert [one.id for one in answers.journal.standing()] == [one.id for one in queue.items[:2]]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer("cyst", "AB"), "there is no class 'cyst'"),
        (Answer("benign", "AB", mask=np.zeros((3, 3), np.uint8)), "not of the size"),
        (Answer("benign", "AB", mask=np.full((HEIGHT, WIDTH), 3, np.uint8)), "0, 1 and 2"),
    ],
)
def test_an_impossible_answer_writes_nothing(queue: Queue, answer: Answer, message: str) -> None:
    with pytest.raises(CytopipeError, match=message):
        Answers(TABLE, CLASSES).give(queue.items[0], answer, None)
    assert not TABLE.exists()


@pytest.mark.parametrize("table", ["mine.csv", "/tmp/mine.csv", "workflow/corrections/mine.xlsx"])
def test_a_table_elsewhere_is_refused(project: Params, table: str) -> None:
    with pytest.raises(CytopipeError, match="is no CSV in workflow/corrections"):
        Answers(Path(table), CLASSES)
