"""Malicious models and images given to `cytopipe predict` and to organize: the exact message, or the right answer.

tests/inputs/test_hostile.py gives many more to the readers beneath, in bounded memory.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from typer.testing import CliRunner, Result

from cytopipe.cli import app
from cytopipe.data.imaging.opening import MOST_PIXELS
from fixture_types import SaveClassifier, SaveImage

if TYPE_CHECKING:
    from faults.conftest import Project

MIB = 2**20


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def model(here: Path, save_classifier: SaveClassifier) -> Path:
    return save_classifier(here / "model")


@pytest.fixture
def cell(here: Path, save_image: SaveImage) -> np.ndarray:
    """The one good image."""
    return save_image(here / "cell.png", 1, (30, 20))


def predict(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["predict", *arguments])


def rows_of(text: str) -> dict[str, dict[str, str]]:
    return {row["image"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}


def refused(*arguments: str) -> str:
    """The error message of a run that must fail without a traceback."""
    result = predict(*arguments)
    assert result.exit_code == 1 and result.stdout == "", result.output
    assert result.stderr.startswith("error: ") and "Traceback" not in result.stderr
    assert isinstance(result.exception, SystemExit)
    return result.stderr


def sign(folder: Path, *names: str) -> None:
    """Write SHA256SUMS that match the files, as an attacker would."""
    lines = (f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    (folder / "SHA256SUMS").write_text("".join(lines))


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    spec = json.loads((folder / "model.json").read_text())
    change(spec)
    (folder / "model.json").write_text(json.dumps(spec))
    sign(folder, "model.json", "weights.safetensors")


# Model folders


class Payload:
    """Runs a command wherever it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[..., int], tuple[str]]:
        return os.system, (f"touch {self.proof}",)


@pytest.mark.parametrize("dump", [lambda value, path: path.write_bytes(pickle.dumps(value)), torch.save])
@pytest.mark.parametrize("victim", ["model", "model/segmenter"])
@pytest.mark.usefixtures("model", "cell")
def test_a_pickle_under_the_name_of_weights_is_never_run(here: Path, victim: str, dump: Callable[..., object]) -> None:
    proof, weights = here / "proof", here / victim / "weights.safetensors"
    dump({"weight": Payload(proof)}, weights)
    sign(weights.parent, "model.json", "weights.safetensors")
    assert f"{victim}/weights.safetensors: holds a pickle, not safetensors" in refused("model", "cell.png")
    assert not proof.exists()
    if weights.read_bytes()[:2] != b"PK":
        pickle.loads(weights.read_bytes())  # the payload does work
        assert proof.exists()


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/hostname", "segmenter/model.json", "..", ".", "a\\..\\b", "\0", "sub", "none"]
)
@pytest.mark.usefixtures("cell")
def test_checksums_name_no_file_outside_the_folder(model: Path, here: Path, name: str) -> None:
    (here / "secret").write_text("the secret")
    (model / "sub").mkdir()
    with (model / "SHA256SUMS").open("a") as sums:
        sums.write(f"{hashlib.sha256(b'the secret').hexdigest()}  {name}\n")
    message = refused("model", "cell.png")
    wanted = "is not a plain file name" if name not in ("\0", "sub", "none") else "model/"
    assert wanted in message and "the secret" not in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda spec: spec.update(segmenter="../../other"),
            "model.json: unknown key 'segmenter'\n  -> the model is of an",
        ),
        (lambda spec: spec.update(weights="/etc/passwd"), "unknown key 'weights'"),
        (lambda spec: spec["arguments"].update(pretrained="../../x.safetensors"), "unknown argument 'pretrained'"),
        (lambda spec: spec.update(architecture="timm/local-dir:../.."), "there is no architecture"),
        (lambda spec: spec.update(architecture="timm/hf-hub:someone/model"), "there is no architecture"),
        (lambda spec: spec.update(architecture="../../evil"), "there is no architecture"),
        (lambda spec: spec["decision_rule"].update(limit=1), "model.json: unknown key 'decision_rule.limit'"),
        (lambda spec: spec.pop("decision_rule"), "holds no decision rule"),
        (lambda spec: spec.update(classes=[]), "model.json: classes: "),
        (lambda spec: spec.update(input_size=-1), "model.json: input_size: "),
    ],
)
@pytest.mark.usefixtures("cell")
def test_a_model_of_another_version_or_that_names_paths_is_refused(
    model: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit(model, change)
    assert message in refused("model", "cell.png")


@pytest.mark.usefixtures("cell")
def test_a_segmenter_of_another_version_is_refused(model: Path) -> None:
    edit(model / "segmenter", lambda spec: spec["view"].update(crop=1))
    assert "model.json: view: unknown key 'crop'" in refused("model", "cell.png")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"num_threads": 1e999}', "\xff", ""])
@pytest.mark.usefixtures("cell")
def test_a_model_json_that_is_none_is_refused(model: Path, text: str) -> None:
    (model / "model.json").write_text(text, encoding="latin-1")
    sign(model, "model.json", "weights.safetensors")
    assert "model/model.json: " in refused("model", "cell.png")


@pytest.mark.usefixtures("cell")
def test_a_link_out_of_a_model_folder_gives_away_nothing_and_waits_for_nothing(model: Path, here: Path) -> None:
    """Links are allowed, because DVC may link a model's files to its cache, but the content must match its checksum."""
    expected = predict("model", "cell.png").stdout
    weights = model / "weights.safetensors"
    shutil.move(weights, here / "cache")
    weights.symlink_to(here / "cache")
    assert predict("model", "cell.png").stdout == expected
    for target, message in (
        ("/etc/passwd", "does not match its checksum"),
        ("/dev/zero", "this is no file"),
        (str(here / "pipe"), "this is no file"),
        (str(here / "none"), "No such file"),
    ):
        if target.endswith("pipe"):
            os.mkfifo(target)
        weights.unlink()
        weights.symlink_to(target)
        found = refused("model", "cell.png")
        assert message in found and "root:" not in found  # the start of /etc/passwd


# Images


def png(width: int, height: int, data: bytes, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG with this header and these compressed rows, which may disagree."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def large_png(side: int) -> bytes:
    """A whole grey image of side x side pixels; rows are compressed one by one."""
    packer = zlib.compressobj(1)
    row = bytes(1 + side)
    return png(side, side, b"".join([*(packer.compress(row) for _ in range(side)), packer.flush()]))


def stack(path: Path) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green", "blue")]
    frames[0].save(path, format="TIFF", save_all=True, append_images=frames[1:])


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "bomb.png": (lambda path: path.write_bytes(png(50_000, 50_000, b"x")), f"at most {MOST_PIXELS:,} are decoded"),
    "sly_bomb.png": (
        lambda path: path.write_bytes(png(12_000, 12_000, b"x")),
        "the image has 12,000 x 12,000 pixels; at most 100,000,000 are decoded at once (`cytopipe screen` reads",
    ),
    "drawing.png": (
        lambda path: path.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>'),
        "the file is not an image",
    ),
    "text.png": (lambda path: path.write_text("hello"), "the file is not an image"),
    "program.png": (lambda path: path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "not an image"),
    "truncated.png": (lambda path: path.write_bytes(large_png(250)[:300]), "cannot be decoded"),
    "empty.png": (lambda path: path.touch(), "the image is empty (0 bytes)"),
    "stack.tif": (stack, "the file holds 3 pages"),
    "pipe.png": (os.mkfifo, "this is no file"),
    "folder.png": (Path.mkdir, "this is no file"),
    "device.png": (lambda path: path.symlink_to("/dev/zero"), "this is no file"),
    "nowhere.png": (lambda path: path.symlink_to("none"), "no such image"),
    "float.tif": (
        lambda path: Image.new("F", (9, 9)).save(path),
        "the image has float values up to 0, and the model",
    ),
}


@pytest.mark.usefixtures("model")
def test_each_hostile_image_is_a_row_and_the_good_one_is_predicted(here: Path, cell: np.ndarray) -> None:
    alone = rows_of(predict("model", "cell.png").stdout)["cell.png"]
    table = ["image", "cell.png"]
    for name, (make, _) in HOSTILE.items():
        make(here / name)
        table.append(name)
    (here / "all.csv").write_text("\n".join(table))
    result = predict("model", "all.csv")
    assert result.exit_code == 2, result.output
    rows = rows_of(result.stdout)
    assert list(rows) == table[1:]
    for name, (_, message) in HOSTILE.items():
        assert message in rows[name]["error"] and rows[name]["predicted"] == "", name
    assert rows["cell.png"] == alone


@pytest.mark.usefixtures("model")
def test_a_folder_lists_no_text_and_a_pipe_in_it_is_a_row(here: Path, cell: np.ndarray) -> None:
    folder = here / "cells"
    folder.mkdir()
    shutil.copy(here / "cell.png", folder)
    (folder / "notes.txt").write_text("hello")
    for name in ("pipe.png", "folder.png"):
        HOSTILE[name][0](folder / name)
    rows = rows_of(predict("model", "cells").stdout)
    assert list(rows) == ["cells/cell.png", "cells/pipe.png"]
    assert "no file" in rows["cells/pipe.png"]["error"]


MEASURED = """
import resource, sys
from cytopipe.cli import app
try:
    app(["predict", *sys.argv[1:]])
except SystemExit as left:
    print(left.code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, file=sys.stderr)
"""


def measured(*arguments: str) -> tuple[int, int, str]:
    """Exit status, peak memory (bytes) and standard output of `cytopipe predict` in a separate process."""
    done = subprocess.run([sys.executable, "-c", MEASURED, *arguments], capture_output=True, text=True, check=True)
    status, peak = done.stderr.splitlines()[-1].split()
    return int(status), int(peak), done.stdout


@pytest.mark.usefixtures("model", "cell")
def test_a_whole_image_of_400_megapixels_is_refused_by_its_header(here: Path) -> None:
    (here / "field.png").write_bytes(large_png(20_000))
    with Image.open(here / "field.png") as image:
        assert image.size == (20_000, 20_000)
    _, usual, _ = measured("model", "cell.png")
    status, peak, output = measured("model", "cell.png", "field.png")
    assert status == 2
    assert rows_of(output)["field.png"]["error"].startswith("the image has 20,000 x 20,000 pixels; at most 100,000,000")
    assert peak < usual + 64 * MIB


def same_answer(one: str, other: str) -> bool:
    rows = rows_of(predict("model", one, other).stdout)
    return rows[one]["error"] == "" and rows[one]["p_bad"] == rows[other]["p_bad"]


@pytest.mark.usefixtures("model")
def test_images_of_other_kinds_are_what_they_show(here: Path, cell: np.ndarray) -> None:
    """Each is compared with a plain RGB image of the same pixels."""
    grey = cell[..., 0]
    reference = {
        "grey16.png": np.repeat(grey[..., None], 3, axis=2),
        "rgb16.png": cell,
        "one_bit.png": np.repeat(np.where(grey > 127, 255, 0).astype(np.uint8)[..., None], 3, axis=2),
        "palette.png": np.asarray(Image.fromarray(cell).quantize(16).convert("RGB")),
        "cmyk.jpg": None,
        "still.gif": np.asarray(Image.fromarray(cell).quantize(16).convert("RGB")),
    }
    Image.fromarray(grey.astype(np.uint16) * 257).save(here / "grey16.png")
    deep = (cell.astype(">u2") * 257).reshape(30, -1)
    rows = b"".join(b"\0" + line.tobytes() for line in deep)
    (here / "rgb16.png").write_bytes(png(20, 30, zlib.compress(rows), depth=16, colour=2))
    Image.fromarray(grey > 127).save(here / "one_bit.png")
    Image.fromarray(cell).quantize(16).save(here / "palette.png")
    Image.fromarray(cell).quantize(16).save(here / "still.gif")
    Image.fromarray(cell).convert("CMYK").save(here / "cmyk.jpg", quality=95)
    for name, pixels in reference.items():
        plain = np.asarray(Image.open(here / name).convert("RGB")) if pixels is None else pixels
        Image.fromarray(plain).save(here / "plain.png")
        assert same_answer(name, "plain.png"), name
    assert not same_answer("grey16.png", "cell.png")


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_jpeg_gives_the_answer_of_the_upright_one(here: Path, orientation: int) -> None:
    smooth = np.add.outer(np.arange(48), 3 * np.arange(32)).astype(np.uint8)
    stored = Image.fromarray(np.stack([smooth, smooth.T.reshape(48, 32), smooth[::-1]], axis=2))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(here / "turned.jpg", quality=95, exif=exif)
    pixels = np.asarray(Image.open(here / "turned.jpg"))
    upright = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: np.rot90(pixels, -1),
        7: np.rot90(pixels, 2).transpose(1, 0, 2),
        8: np.rot90(pixels),
    }[orientation]
    Image.fromarray(np.ascontiguousarray(upright)).save(here / "upright.png")
    assert same_answer("turned.jpg", "upright.png")


STRANGE = (
    "new\nline.png",
    "a,b.png",
    'quo"te.png',
    "=cmd|' -C calc'!A0.png",
    "-1+1.png",
    "zellen ü 細胞.png",
    "a;b.png",
)


@pytest.mark.usefixtures("model")
def test_strange_names_survive_csv_json_pictures_and_resuming(here: Path, cell: np.ndarray) -> None:
    names = [*STRANGE, os.fsdecode(b"caf\xe9.png")]
    (here / "cells").mkdir()
    for name in names:
        shutil.copy(here / "cell.png", here / "cells" / name)
    os.chdir(here / "cells")
    asked = ("../model", ".", "--out", "../p.csv", "--overlay", "../pictures")
    assert predict(*asked).exit_code == 0
    text = (here / "p.csv").read_bytes().decode("utf-8", "surrogateescape")
    rows = rows_of(text)
    assert {Path(image).name for image in rows} == set(names)
    assert all(Path(image).is_file() for image in rows)
    # A spreadsheet would run a cell that starts like this as a formula.
    assert not any(image.startswith(tuple("=+-@\t\r")) for image in rows) and "./=cmd|' -C calc'!A0.png" in rows
    assert f"{len(names)} kept" in predict(*asked).stderr
    lines = predict("../model", ".", "--json").stdout.splitlines()
    assert [json.loads(line)["image"] for line in lines] == list(rows)
    assert len(list((here / "pictures").iterdir())) == len(names)


AS_NOBODY = """
import os, sys
from cytopipe.cli import app
if os.geteuid() == 0:  # root can read every file
    app(["predict", *sys.argv[1:], "--out", "by_root.csv"], standalone_mode=False)  # import everything as root
    os.setegid(65534), os.seteuid(65534)
app(["predict", *sys.argv[1:]])
"""


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can read, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_file_without_permission_is_a_row(
    public: Path, save_classifier: SaveClassifier, save_image: SaveImage
) -> None:
    save_classifier(public / "model")
    save_image(public / "cells/a.png")
    save_image(public / "cells/closed.png").sum()
    (public / "cells/closed.png").chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, "model", "cells"], cwd=public, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    rows = rows_of(done.stdout)
    assert rows["cells/closed.png"]["error"] == "the file cannot be read (Permission denied)"
    assert rows["cells/a.png"]["error"] == ""


# The same images in a dataset


OF_A_DATASET = ("bomb.png", "sly_bomb.png", "drawing.png", "text.png", "program.png", "truncated.png", "empty.png")


def test_organize_leaves_hostile_images_out_and_says_why(project: Project) -> None:
    project.dataset["bad_images"] = "skip"
    names = [row.split(",")[0] for row in project.rows[1:]]
    victims = dict(zip((name for name in names if "_pos" in name), OF_A_DATASET, strict=False))
    for victim, name in victims.items():
        (project.raw / "images" / victim).unlink()
        HOSTILE[name][0](project.raw / "images" / victim)
    done = project.run()
    assert done.returncode == 0, done.stderr
    summary = yaml.safe_load((project.out / "summary.json").read_text())
    reasons = {f"{one['id']}.png": one["reason"] for one in summary["refused"]}
    assert reasons.keys() == victims.keys()
    for victim, name in victims.items():
        assert HOSTILE[name][1] in reasons[victim], name


def test_organize_stops_at_a_bomb_unless_told_to_leave_it_out(project: Project) -> None:
    (project.raw / "images/p3_pos.png").write_bytes(png(50_000, 50_000, b"x"))
    done = project.run()
    assert done.returncode == 1
    assert "images/p3_pos.png: the image has" in done.stderr and "Traceback" not in done.stderr
    assert not project.out.exists() or list(project.out.iterdir()) == []


def test_organize_converts_cmyk_and_turns_by_exif(project: Project) -> None:
    path = project.raw / "images/p4_pos.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("CMYK", (12, 10), (90, 20, 10, 0)).save(path, format="JPEG", exif=exif)
    done = project.run()
    assert done.returncode == 0, done.stderr
    summary = yaml.safe_load((project.out / "summary.json").read_text())
    assert summary["converted"] == {"CMYK to RGB, turned by its EXIF orientation": 1}
