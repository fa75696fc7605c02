from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytopipe.adapters.bethesda import ADAPTER
from cytopipe.errors import CytopipeError
from cytopipe_phantoms.outlines import area
from cytopipe_phantoms.preparation import prepare
from cytopipe_phantoms.smear import SEVERITY, Smear, fine_scale, take_smear
from cytopipe_phantoms.spec import Phantom, read_table
from cytopipe_phantoms.writer import Request
from cytopipe_phantoms.writers.bethesda import SLIDES, WRITER
from files import contents

TABLE = Path(__file__).parents[3] / "workflow" / "phantoms" / "bethesda.yaml"
REQUEST = Request(seed=5, fields_per_class=2, cells_per_field=4, scale=0.2)
SLIDE = {"1": r"HSIL_\d", "2": r"LSIL_\d", "3": r"NL_\d_", "4": r"SCC_\d"}


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return read_table(TABLE, Phantom, tuple(SLIDES))


@pytest.fixture(scope="module")
def smears(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bethesda")
    WRITER.write(folder, TABLE, REQUEST)
    return folder


@pytest.fixture(scope="module")
def fields(phantom: Phantom) -> dict[str, list[Smear]]:
    slide = prepare(phantom.slide, fine_scale(phantom, 0.3), [0, 0, 1])
    return {
        name: [take_smear(phantom, name, slide, scale=0.3, seed=[9, index, number]) for number in range(1, 7)]
        for index, name in enumerate(SEVERITY)
    }


def test_the_layout_is_db_4s(smears: Path) -> None:
    assert [path.name for path in smears.iterdir()] == ["DB_4"]
    assert sorted(path.name for path in (smears / "DB_4").iterdir()) == ["train", "validation"]
    for split in ("train", "validation"):
        assert sorted(path.name for path in (smears / "DB_4" / split).iterdir()) == ["1", "2", "3", "4"]
        for folder, slide in SLIDE.items():
            names = [path.name for path in (smears / "DB_4" / split / folder).iterdir()]
            assert names and all(re.fullmatch(rf"{slide} \(\d+\)\.jpg", name) for name in names)


def test_each_fifth_picture_is_for_validation_whatever_its_slide(smears: Path) -> None:
    for folder in SLIDE:
        train, validation = (
            len(list((smears / "DB_4" / split / folder).iterdir())) for split in ("train", "validation")
        )
        assert validation == (train + validation) // 5


def test_pictures_are_square_rgb_jpegs(smears: Path) -> None:
    for path in smears.rglob("*.jpg"):
        with Image.open(path) as image:
            assert (image.size, image.mode, image.format) == ((45, 45), "RGB", "JPEG")


def test_a_full_size_picture_has_224_pixels(phantom: Phantom) -> None:
    slide = prepare(phantom.slide, fine_scale(phantom, 1.0), [0, 0, 1])
    assert take_smear(phantom, "NILM", slide, scale=1.0, seed=[1]).image.shape == (224, 224, 3)


def test_a_smear_shows_its_class_and_nothing_more_severe(fields: dict[str, list[Smear]]) -> None:
    for name, smears in fields.items():
        for smear in smears:
            assert smear.names[0] == name
            assert max(map(SEVERITY.index, smear.names)) == SEVERITY.index(name)
            middle = smear.cells[0].nucleus.mean(axis=0)
            assert (middle > 0).all() and (middle < smear.image.shape[0]).all()


def test_milder_cells_lie_among_the_abnormal_ones(fields: dict[str, list[Smear]]) -> None:
    for name in SEVERITY[1:]:
        assert {other for smear in fields[name] for other in smear.names} > {name}


def test_nuclei_take_more_of_the_cell_from_negative_to_high_grade(fields: dict[str, list[Smear]]) -> None:
    ratios: dict[str, list[float]] = {name: [] for name in SEVERITY}
    for smear in (smear for smears in fields.values() for smear in smears):
        for name, cell in zip(smear.names, smear.cells, strict=True):
            ratios[name].append(area(cell.nucleus) / area(cell.cytoplasm))
    means = {name: np.mean(values) for name, values in ratios.items()}
    assert means["NILM"] < means["LSIL"] / 1.8 < means["HSIL"] / 4
    # No threshold parts the two lower grades.
    assert max(ratios["NILM"]) > min(ratios["LSIL"])


def test_carcinoma_is_of_more_sizes_than_high_grade_lesions(fields: dict[str, list[Smear]]) -> None:
    def spread(name: str) -> float:
        cells = [c for s in fields[name] for c, kind in zip(s.cells, s.names, strict=True) if kind == name]
        return float(np.std(np.log([area(cell.cytoplasm) for cell in cells])))

    assert spread("SCC") > 1.3 * spread("HSIL")


def test_the_nuclei_are_dark_in_the_picture(fields: dict[str, list[Smear]]) -> None:
    for smear in (smear for smears in fields.values() for smear in smears):
        x, y = smear.cells[0].nucleus.mean(axis=0).astype(int)
        assert smear.image[y, x].mean() < np.quantile(smear.image.mean(axis=-1), 0.6) - 10


def test_the_same_request_writes_the_same_bytes(smears: Path, tmp_path: Path) -> None:
    WRITER.write(tmp_path, TABLE, REQUEST)
    assert contents(tmp_path) == contents(smears)


def test_more_slides_leave_the_others_as_they_were(smears: Path, tmp_path: Path) -> None:
    WRITER.write(tmp_path, TABLE, replace(REQUEST, fields_per_class=1))
    fewer, more = contents(tmp_path), contents(smears)
    assert len(fewer) < len(more)
    assert fewer.items() <= more.items()


def test_another_seed_draws_other_smears(smears: Path, tmp_path: Path) -> None:
    WRITER.write(tmp_path, TABLE, replace(REQUEST, seed=6, fields_per_class=1))
    own = contents(smears)
    assert not any(own.get(name) == data for name, data in contents(tmp_path).items())


def test_a_table_of_other_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="Parabasal"):
        WRITER.write(tmp_path, TABLE.with_name("cervix.yaml"), REQUEST)


def test_the_adapter_reads_the_layout(smears: Path) -> None:
    samples = ADAPTER.read(smears, {}, "options")
    assert len(samples) == len(list(smears.rglob("*.jpg")))
    assert {sample.label for sample in samples} == set(SLIDES)
    assert len({sample.group for sample in samples}) == 4 * 2
    assert all((sample.split == "train") == ("train" in sample.image.parts) for sample in samples)
