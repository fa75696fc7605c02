from __future__ import annotations

import ast
import csv
import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.stats import kstest

from cytopipe.adapters.malaria import ADAPTER
from cytopipe.errors import CytopipeError
from cytopipe_phantoms.spec import read_table
from cytopipe_phantoms.traits import draw_scores, draw_traits
from cytopipe_phantoms.writer import Request
from cytopipe_phantoms.writers.malaria import CLASSES, WRITER, Malaria, prepare_patient, take_cell
from files import contents

TABLE = Path(__file__).parents[3] / "workflow" / "phantoms" / "malaria.yaml"
REQUEST = Request(seed=3, fields_per_class=5, cells_per_field=8, scale=0.4)


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path), dtype=np.float64)


def darkest(image: np.ndarray) -> float:
    """Depth of the darkest spot within the cell below the cell's own median, in red light, grey levels."""
    red = gaussian_filter(image[..., 0], 0.7)
    inside = binary_erosion(image.any(axis=-1), iterations=3)
    return float(np.median(red[inside]) - red[inside].min())


@pytest.fixture(scope="module")
def phantom() -> Malaria:
    return read_table(TABLE, Malaria)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("malaria")
    WRITER.write(folder, TABLE, REQUEST)
    return folder


def test_the_layout_is_nlms(cells: Path) -> None:
    assert sorted(path.name for path in cells.iterdir()) == [
        "cell_images",
        "patientid_cellmapping_parasitized.csv",
        "patientid_cellmapping_uninfected.csv",
    ]
    patients = defaultdict(set)
    for path in (cells / "cell_images").rglob("*.png"):
        match = re.fullmatch(r"(C1\d\dP\d+ThinF)_IMG_201509\d\d_\d{6}_cell_\d+\.png", path.name)
        assert match
        patients[match[1]].add(path.parent.name)
    assert sorted(patients) == [f"C{100 + k}P{61 + k}ThinF" for k in range(5)]
    assert all(classes == set(CLASSES) for classes in patients.values())


@pytest.mark.parametrize("name", CLASSES)
def test_a_mapping_without_header_lists_each_patients_files(cells: Path, name: str) -> None:
    with (cells / f"patientid_cellmapping_{name.lower()}.csv").open(newline="", encoding="ascii") as file:
        rows = list(csv.reader(file))
    listed = [(patient, file) for patient, files in rows for file in ast.literal_eval(files)]
    assert all(file.startswith(f"{patient}_IMG") for patient, file in listed)
    assert sorted(file for _, file in listed) == sorted(p.name for p in (cells / "cell_images" / name).iterdir())


def test_no_two_cells_of_the_classes_have_one_name(cells: Path) -> None:
    names = [path.name for path in cells.rglob("*.png")]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("group", ["auto", "slide"])
def test_the_adapter_reads_it_and_finds_the_patients(cells: Path, group: str) -> None:
    samples = ADAPTER.read(cells, {"group": group}, "datasets.malaria")
    assert len(samples) == len(list(cells.rglob("*.png")))
    assert {sample.group for sample in samples} == {f"C{100 + k}P{61 + k}ThinF" for k in range(5)}


def test_cells_are_rgb_of_varying_size_cut_out_on_black(cells: Path) -> None:
    sizes = set()
    for path in cells.rglob("*.png"):
        with Image.open(path) as image:
            assert image.mode == "RGB"
            sizes.add(image.size)
        pixels = read(path)
        black = np.logical_not(pixels.any(axis=-1))
        assert 0.05 < black.mean() < 0.65
        assert black[[0, 0, -1, -1], [0, -1, 0, -1]].sum() >= 2  # a touching cell may reach into a corner
        assert pixels[~black].mean() > 90
    assert len(sizes) > 20


def test_full_size_cells_are_about_130_pixels_wide(phantom: Malaria) -> None:
    patients = [prepare_patient(phantom, number, 1.0, [1, number]) for number in range(10)]
    widths = [take_cell(phantom, "Uninfected", p, scale=1.0, seed=[1, k]).shape[1] for k, p in enumerate(patients)]
    assert 110 < np.mean(widths) < 155


def test_cells_are_red_rather_than_blue(cells: Path) -> None:
    reds = [np.mean(read(path)[..., 0] - read(path)[..., 2]) for path in cells.rglob("Uninfected/*.png")]
    assert np.mean(np.array(reds) > 0) > 0.8


def test_parasites_are_darker_than_anything_in_most_uninfected_cells(phantom: Malaria) -> None:
    depths: dict[str, list[float]] = {name: [] for name in CLASSES}
    for number in range(15):
        patient = prepare_patient(phantom, number, 0.5, [2, number])
        for index, name in enumerate(CLASSES):
            images = (take_cell(phantom, name, patient, scale=0.5, seed=[2, number, index, k]) for k in range(6))
            depths[name] += [darkest(image.astype(np.float64)) for image in images]
    infected, healthy = np.array(depths["Parasitized"]), np.array(depths["Uninfected"])
    assert np.median(infected) > 1.5 * np.median(healthy)
    # Faint parasites and dark debris: neither class can be told by this alone.
    assert np.quantile(healthy, 0.98) > np.quantile(infected, 0.2)


def test_cells_of_one_patient_have_one_hue(cells: Path) -> None:
    hues = defaultdict(list)
    for path in cells.rglob("Uninfected/*.png"):
        pixels = read(path)
        colour = np.median(pixels[pixels.any(axis=-1)], axis=0)
        hues[path.name.split("_")[0]].append(colour[0] - colour[2])
    between = np.std([np.mean(values) for values in hues.values()])
    assert between > 1.2 * np.mean([np.std(values) for values in hues.values()])


def test_the_same_arguments_write_the_same_bytes(cells: Path, tmp_path: Path) -> None:
    np.random.seed(99)  # the global generator must not matter
    WRITER.write(tmp_path, TABLE, REQUEST)
    assert contents(tmp_path) == contents(cells)


def test_more_patients_leave_the_others_images_as_they_were(cells: Path, tmp_path: Path) -> None:
    WRITER.write(tmp_path, TABLE, replace(REQUEST, fields_per_class=2))
    fewer = {name: data for name, data in contents(tmp_path).items() if name.endswith(".png")}
    assert fewer and fewer.items() <= contents(cells).items()


def test_a_table_of_another_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=r"hep2\.yaml"):
        WRITER.write(tmp_path / "out", TABLE.with_name("hep2.yaml"), REQUEST)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("likeness", [0.0, 0.4, 1.0])
def test_traits_keep_the_tables_distribution_and_correlate_within_a_group(phantom: Malaria, likeness: float) -> None:
    rng, spec = np.random.default_rng(5), phantom.cells
    plain = spec.radius.model_copy(update={"low": 10.0, "high": 200.0})
    section = spec.model_copy(update={"radius": plain})
    pairs = []
    for _ in range(600):
        shared = draw_scores(section, rng)
        pairs.append([draw_traits(section, shared, likeness, rng)["radius"] for _ in range(2)])
    first, second = np.array(pairs).T
    assert kstest((first - plain.mean) / plain.sd, "norm").pvalue > 1e-3
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(likeness, abs=0.1)
