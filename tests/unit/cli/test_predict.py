"""The command `cytopipe predict`: streams, exit statuses and interrupted runs."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytopipe.cli.common import fix_processor
from cytopipe.models.files import model_id
from fixture_types import Cytopipe, SaveClassifier, SaveImage
from made_ensemble import make_ensemble

BATCH = 64


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def model(here: Path, save_classifier: SaveClassifier) -> Path:
    return save_classifier(here / "model")


@pytest.fixture
def cells(here: Path, save_image: SaveImage) -> Path:
    for seed in range(5):
        save_image(here / f"cells/{seed}.png", seed, (20 + seed, 31))
    return here / "cells"


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_rows_go_to_standard_output_and_progress_to_standard_error(
    model: Path, cells: Path, cytopipe: Cytopipe
) -> None:
    result = cytopipe("predict", "model", "cells")
    assert result.exit_code == 0
    rows = rows_of(result.stdout)
    assert [row["image"] for row in rows] == [f"cells/{seed}.png" for seed in range(5)]
    assert list(rows[0]) == [
        *("image", "predicted", "p_bad", "p_good", "confidence", "uncertain", "abnormal", "sha256", "model", "error")
    ]
    assert {row["model"] for row in rows} != {""} and len({row["model"] for row in rows}) == 1
    assert "5/5" in result.stderr


def test_json_lines_and_a_table_hold_what_csv_does(model: Path, cells: Path, cytopipe: Cytopipe) -> None:
    plain = rows_of(cytopipe("predict", "model", "cells").stdout)
    result = cytopipe("predict", "model", "cells", "--json", "--out", "new/p.csv")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["p_bad"] for line in lines] == [float(row["p_bad"]) for row in plain]
    assert rows_of(Path("new/p.csv").read_text()) == plain
    assert "new/p.csv: 5 images" in result.stderr


def test_an_unreadable_image_is_a_row_and_status_2(model: Path, cells: Path, cytopipe: Cytopipe) -> None:
    (cells / "2.png").write_text("no image")
    result = cytopipe("predict", "model", "cells", "--out", "p.csv")
    assert result.exit_code == 2
    errors = {row["image"]: row["error"] for row in rows_of(Path("p.csv").read_text())}
    assert errors.pop("cells/2.png") == "the file is not an image" and set(errors.values()) == {""}
    assert "1 unreadable" in result.stderr


def test_counts_take_the_place_of_rows(model: Path, cells: Path, cytopipe: Cytopipe) -> None:
    (cells / "2.png").write_text("no image")
    rows = rows_of(cytopipe("predict", "model", "cells").stdout)
    counts = json.loads(cytopipe("predict", "model", "cells", "--count", "--json").stdout)
    assert counts == {
        "images": 5,
        "classes": {label: sum(row["predicted"] == label for row in rows) for label in ("bad", "good")},
        "uncertain": sum(row["uncertain"] == "true" for row in rows),
        "unreadable": 1,
    }
    table = cytopipe("predict", "model", "cells", "--count").stdout
    assert f"good{counts['classes']['good']:>25}" in table and "p_bad" not in table


def test_a_second_run_keeps_the_rows_and_a_changed_image_is_computed(
    model: Path, cells: Path, cytopipe: Cytopipe, save_image: SaveImage
) -> None:
    cytopipe("predict", "model", "cells", "--out", "p.csv")
    first = Path("p.csv").read_bytes()
    assert "5 kept from an earlier run" in cytopipe("predict", "model", "cells", "--out", "p.csv").stderr
    assert Path("p.csv").read_bytes() == first
    save_image(cells / "4.png", 9)
    assert "kept" not in cytopipe("predict", "model", "cells", "--out", "p.csv").stderr
    assert Path("p.csv").read_bytes() != first


def test_the_table_of_another_model_is_refused_until_forced(
    model: Path, cells: Path, cytopipe: Cytopipe, here: Path, save_classifier: SaveClassifier
) -> None:
    cytopipe("predict", "model", "cells", "--out", "p.csv")
    first = Path("p.csv").read_bytes()
    save_classifier(here / "other", seed=4)
    result = cytopipe("predict", "other", "cells", "--out", "p.csv")
    assert result.exit_code == 1 and "of another model" in result.stderr and "--force" in result.stderr
    assert Path("p.csv").read_bytes() == first
    assert cytopipe("predict", "other", "cells", "--out", "p.csv", "--force").exit_code == 0
    assert Path("p.csv").read_bytes() != first


def test_pictures_are_drawn_and_drawn_again_where_they_are_missing(
    model: Path, cells: Path, cytopipe: Cytopipe
) -> None:
    asked = ("predict", "model", "cells", "--out", "p.csv", "--overlay", "pictures", "--explain")
    assert cytopipe(*asked).exit_code == 0
    pictures = sorted(Path("pictures").iterdir())
    assert [path.name for path in pictures] == [f"{seed}.png" for seed in range(5)]
    before = pictures[3].read_bytes()
    assert "5 kept" in cytopipe(*asked).stderr
    pictures[3].unlink()
    assert "kept" not in cytopipe(*asked).stderr
    assert pictures[3].read_bytes() == before


@pytest.mark.parametrize("folder", ["cells", "cells/new", "cells/pictures"])
def test_pictures_do_not_lie_among_the_images(model: Path, cells: Path, cytopipe: Cytopipe, folder: str) -> None:
    result = cytopipe("predict", "model", "cells", "--overlay", folder)
    assert result.exit_code == 1 and "would be written among the images" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cells", "--explain"), "--explain needs --overlay DIR"),
        (("cells", "--force"), "--force needs --out FILE"),
        (("cells", "--device", "gpu"), "'gpu' is not one of"),
        (("cells", "--threads", "0"), "'--threads'"),
        ((), "Missing argument 'IMAGES'"),
    ],
)
def test_wrong_usage_is_status_1(
    model: Path, cells: Path, cytopipe: Cytopipe, arguments: tuple[str, ...], message: str
) -> None:
    result = cytopipe("predict", "model", *arguments)
    assert result.exit_code == 1 and result.stdout == ""
    assert message in " ".join(result.stderr.split())


def test_a_segmenter_is_named_or_refused(
    model: Path, cells: Path, cytopipe: Cytopipe, here: Path, save_classifier: SaveClassifier
) -> None:
    own = cytopipe("predict", "model", "cells").stdout
    shutil.move(here / "model/segmenter", here / "otsu")
    result = cytopipe("predict", "model", "cells")
    assert result.exit_code == 1 and "--segmenter" in result.stderr
    assert cytopipe("predict", "model", "cells", "--segmenter", "otsu").stdout == own
    save_classifier(here / "rgb", "rgb")
    result = cytopipe("predict", "rgb", "cells", "--segmenter", "otsu")
    assert result.exit_code == 1 and "uses no masks" in result.stderr


def test_a_copy_of_the_folder_alone_works_from_anywhere(
    model: Path, cells: Path, tmp_path_factory: pytest.TempPathFactory, cytopipe: Cytopipe
) -> None:
    expected = [row["p_bad"] for row in rows_of(cytopipe("predict", "model", "cells").stdout)]
    far = tmp_path_factory.mktemp("far")
    shutil.copytree(model, far / "alone")
    shutil.rmtree(model)
    process = start(far, "alone", str(cells))
    stdout, stderr = process.communicate(timeout=500)
    assert process.returncode == 0, stderr
    assert [row["p_bad"] for row in rows_of(stdout)] == expected


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """The real command in a process of its own, with the handler of Ctrl-C, which background jobs of a shell ignore."""
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from cytopipe.cli import app; sys.argv[0] = 'cytopipe'; app()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, "predict", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def many(here: Path) -> Path:
    """Eight batches of images that are slow to decode, one of them unreadable."""
    folder = here / "many"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 500, 500, 3), np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{number:03}.png", compress_level=1)
    for number in range(16, 8 * BATCH - 9):
        os.link(folder / f"{number % 16:03}.png", folder / f"{number:03}.png")
    (folder / "070.png").unlink()
    (folder / "070.png").write_text("no image")
    return folder


def wait_for_rows(process: subprocess.Popen[str], part: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while not part.is_file() or part.read_bytes().count(b"\n") <= count:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.01)


def test_an_interrupted_run_goes_on_to_the_same_bytes(model: Path, many: Path, here: Path) -> None:
    asked = ("model", "many", "--out", "p.csv")
    process = start(here, "model", "many", "--out", "whole.csv")
    stdout, stderr = process.communicate(timeout=500)
    assert process.returncode == 2 and stdout == "", stderr
    part = here / "p.csv.part"

    process = start(here, *asked)
    wait_for_rows(process, part, BATCH)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=500)
    assert process.returncode == 130, stderr
    assert "their rows are in p.csv.part, and the same command resumes the run" in stderr and "Traceback" not in stderr
    kept = part.read_bytes()

    process = start(here, *asked)
    wait_for_rows(process, part, kept.count(b"\n") + BATCH)
    process.kill()
    process.communicate(timeout=500)
    assert not (here / "p.csv").exists()
    torn = part.read_bytes()
    assert torn.startswith(kept)
    part.write_bytes(torn[:-30])  # as a kill in the middle of a write leaves it

    process = start(here, *asked)
    _, stderr = process.communicate(timeout=500)
    assert process.returncode == 2, stderr
    assert "kept from an earlier run" in stderr
    assert (here / "p.csv").read_bytes() == (here / "whole.csv").read_bytes()
    assert not part.exists()


def test_a_closed_pipe_ends_it_quietly(model: Path, many: Path, here: Path) -> None:
    process = start(here, "model", "many")
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline().startswith("image,predicted")
    process.stdout.close()
    stderr = process.stderr.read()
    assert process.wait(timeout=500) == 1
    assert "Traceback" not in stderr


def test_folds_predict_as_one_model_and_say_what_their_performance_is(
    here: Path, cells: Path, cytopipe: Cytopipe, save_classifier: SaveClassifier
) -> None:
    folder = make_ensemble(here / "folded", lambda place, seed: save_classifier(place, "rgb", seed, num_threads=2))
    result = cytopipe("predict", "folded", "cells")
    assert result.exit_code == 0, result.output
    each = [rows_of(cytopipe("predict", f"folded/folds/{fold}", "cells").stdout) for fold in range(3)]
    for number, row in enumerate(rows_of(result.stdout)):
        assert row["model"] == model_id(folder)
        mean = sum(float(one[number]["p_bad"]) for one in each) / 3
        assert float(row["p_bad"]) == pytest.approx(mean, abs=2e-6)
    assert "the mean of 3 networks (folds); its measured performance is cross-validated" in result.stderr
    assert fix_processor(None, folder) == 2  # the threads of their training


def test_groups_of_images_have_a_second_table(model: Path, cells: Path, cytopipe: Cytopipe) -> None:
    assert "train it again" in cytopipe("predict", "model", "cells", "--by", "folder", "--out", "p.csv").stderr
    rule = {"rule": "mean", "label": "worst", "specificity": 0.9, "slope": 1.0, "intercept": 0.0, "threshold": -9.0}
    (model / "patients.json").write_text(json.dumps(rule))
    Path("who.csv").write_text("image,patient\n" + "".join(f"cells/{seed}.png,p{seed % 2}\n" for seed in range(5)))
    result = cytopipe("predict", "model", "cells", "--by", "patient", "--table", "who.csv", "--out", "p.csv")
    assert result.exit_code == 0 and "p.by.csv: 2 groups by the mean probability" in result.stderr
    images = {row["image"]: float(row["abnormal"]) for row in rows_of(Path("p.csv").read_text())}
    first, second = rows_of(Path("p.by.csv").read_text())
    assert (first["group"], first["images"], first["decision"]) == ("p0", "3", "abnormal")
    assert float(first["score"]) == pytest.approx(sum(images[f"cells/{seed}.png"] for seed in (0, 2, 4)) / 3, rel=1e-4)
    assert set(second["telling"].split("|")) == {"cells/1.png", "cells/3.png"}


def test_by_needs_a_file_and_table_needs_by(model: Path, cells: Path, cytopipe: Cytopipe) -> None:
    assert "--by needs --out" in cytopipe("predict", "model", "cells", "--by", "folder").stderr
    assert "--table needs --by" in cytopipe("predict", "model", "cells", "--table", "a.csv").stderr
