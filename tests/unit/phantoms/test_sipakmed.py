from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cytopipe_phantoms.field import take_field
from cytopipe_phantoms.spec import Phantom
from cytopipe_phantoms.writer import Request
from cytopipe_phantoms.writers.sipakmed import WRITER


def contour(path: Path) -> np.ndarray:
    return np.loadtxt(path, delimiter=",", ndmin=2)


def fill(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(polygon).astype(np.int32)], 1)
    return mask > 0


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def fields(smears: Path) -> list[Path]:
    return sorted(smears.glob("im_*/im_*/[0-9]*.bmp"))


def test_the_layout_is_sipakmeds(smears: Path) -> None:
    assert sorted(path.name for path in smears.iterdir()) == [
        "im_Dyskeratotic",
        "im_Koilocytotic",
        "im_Metaplastic",
        "im_Parabasal",
        "im_Superficial-Intermediate",
    ]
    for outer in smears.iterdir():
        inner = outer / outer.name
        assert [path.name for path in sorted(inner.glob("*.bmp"))] == ["001.bmp", "002.bmp"]
        names = {path.name for path in inner.iterdir()} - {"001.bmp", "002.bmp", "CROPPED"}
        cells = sorted(name[:3] + "_" + name[7:9] for name in names if "_cyt" in name)
        assert names == {f"{c[:3]}_{part}{c[4:]}.dat" for c in cells for part in ("cyt", "nuc")}
        crops = {path.name for path in (inner / "CROPPED").iterdir()}
        assert crops == {f"{c}{end}" for c in cells for end in (".bmp", "_cyt.dat", "_nuc.dat")}
        assert 4 <= sum(c.startswith("001") for c in cells) <= 8


def test_fields_are_quarter_size_rgb(smears: Path) -> None:
    for path in fields(smears):
        with Image.open(path) as image:
            assert (image.size, image.mode, image.format) == ((512, 384), "RGB", "BMP")


def test_contours_are_closed_lines_of_two_plain_decimals(smears: Path) -> None:
    for path in smears.rglob("*.dat"):
        text = path.read_text(encoding="ascii")
        assert re.fullmatch(r"(\d+(\.\d{1,2})?,\d+(\.\d{1,2})?\n){20,}", text)
        assert text.splitlines()[0] == text.splitlines()[-1]


def test_annotated_cells_lie_wholly_in_their_field(smears: Path) -> None:
    for path in smears.glob("im_*/im_*/*_cyt*.dat"):
        assert contour(path).min() >= 0
        assert (contour(path).max(axis=0) <= (512, 384)).all()


def test_crops_are_cut_from_the_field_with_their_contours(smears: Path) -> None:
    for bmp in sorted(smears.glob("im_*/im_*/CROPPED/*.bmp")):
        number, index = bmp.stem.split("_")
        field = np.asarray(Image.open(bmp.parents[1] / f"{number}.bmp"))
        crop = np.asarray(Image.open(bmp))
        height, width = crop.shape[:2]
        for part in ("cyt", "nuc"):
            whole = contour(bmp.parents[1] / f"{number}_{part}{index}.dat")
            local = contour(bmp.with_name(f"{bmp.stem}_{part}.dat"))
            left, top = np.round(whole[0] - local[0]).astype(int)
            np.testing.assert_allclose(whole - local, np.broadcast_to((left, top), whole.shape), atol=1e-9)
            np.testing.assert_array_equal(field[top : top + height, left : left + width], crop)
            assert local.min() >= 0 and (local.max(axis=0) <= (width, height)).all()


def test_no_annotated_nucleus_is_covered_by_another_annotated_cell(smears: Path) -> None:
    for path in fields(smears):
        cells = [fill(contour(p), (384, 512)) for p in sorted(path.parent.glob(f"{path.stem}_cyt*.dat"))]
        nuclei = [fill(contour(p), (384, 512)) for p in sorted(path.parent.glob(f"{path.stem}_nuc*.dat"))]
        for i, nucleus in enumerate(nuclei):
            assert not any((nucleus & cell).any() for j, cell in enumerate(cells) if j != i)


def test_annotated_nuclei_are_the_dark_part_of_their_cells(smears: Path) -> None:
    darker = []
    for path in fields(smears):
        grey = np.asarray(Image.open(path).convert("L"), dtype=np.float64)
        for cyt in sorted(path.parent.glob(f"{path.stem}_cyt*.dat")):
            nucleus = fill(contour(cyt.with_name(cyt.name.replace("cyt", "nuc"))), grey.shape)
            whole = fill(contour(cyt), grey.shape)
            darker.append(grey[nucleus].mean() < grey[whole & ~nucleus].mean() - 5)
    assert np.mean(darker) > 0.97


def test_another_process_writes_the_same_bytes(smears: Path, cervix: Path, tmp_path: Path) -> None:
    code = (
        "import cv2; cv2.setNumThreads(1)\n"
        "from pathlib import Path\n"
        "from cytopipe_phantoms.writer import Request\n"
        "from cytopipe_phantoms.writers.sipakmed import WRITER\n"
        "request = Request(seed=7, fields_per_class=2, cells_per_field=6, scale=0.25)\n"
        f"WRITER.write(Path({str(tmp_path)!r}), Path({str(cervix)!r}), request)\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "99", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert digests(tmp_path) == digests(smears)


def test_more_fields_leave_the_first_as_it_was(smears: Path, cervix: Path, tmp_path: Path) -> None:
    WRITER.write(tmp_path, cervix, Request(seed=7, fields_per_class=1, cells_per_field=6, scale=0.25))
    fewer, more = digests(tmp_path), digests(smears)
    assert len(fewer) < len(more)
    assert fewer.items() <= more.items()


def test_another_seed_gives_other_fields(smears: Path, cervix: Path, tmp_path: Path) -> None:
    WRITER.write(tmp_path, cervix, Request(seed=8, fields_per_class=1, cells_per_field=6, scale=0.25))
    name = "im_Parabasal/im_Parabasal/001.bmp"
    assert digests(tmp_path)[name] != digests(smears)[name]


def test_the_scene_is_the_same_at_every_scale(phantom: Phantom) -> None:
    small, large = (take_field(phantom, "Metaplastic", count=5, scale=s, seed=[3, 2, 1]) for s in (0.1, 0.2))
    assert large.image.shape == (307, 410, 3)
    assert len(small.cells) == len(large.cells)
    for a, b in zip(small.cells, large.cells, strict=True):
        np.testing.assert_allclose(2 * a.cytoplasm, b.cytoplasm, atol=0.021)


def test_progress_counts_every_field(cervix: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    request = Request(seed=0, fields_per_class=1, cells_per_field=1, scale=0.05)
    WRITER.write(tmp_path, cervix, request, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
