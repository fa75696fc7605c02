from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter, gaussian_laplace, label

from cytopipe.adapters.hep2 import ADAPTER
from cytopipe.errors import CytopipeError
from cytopipe_phantoms.spec import read_table
from cytopipe_phantoms.writer import Request
from cytopipe_phantoms.writers.hep2 import CLASSES, WRITER, Hep2, prepare_specimen, split_of, take_cell
from files import contents

TABLE = Path(__file__).parents[3] / "workflow" / "phantoms" / "hep2.yaml"
REQUEST = Request(seed=3, fields_per_class=4, cells_per_field=5, scale=0.5)


@pytest.fixture(scope="module")
def phantom() -> Hep2:
    return read_table(TABLE, Hep2)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hep2")
    WRITER.write(folder, TABLE, REQUEST)
    return folder


def pictures(phantom: Hep2, name: str, specimens: int, count: int) -> list[list[np.ndarray]]:
    """Full-size pictures as floats 0 to 1, by specimen."""
    result = []
    for number in range(specimens):
        group = prepare_specimen(phantom, name, [1, number])
        drawn = (take_cell(phantom, name, group, scale=1.0, seed=[1, number, cell]) for cell in range(count))
        result.append([picture / 255 for picture in drawn])
    return result


def flat(groups: list[list[np.ndarray]]) -> list[np.ndarray]:
    return [picture for group in groups for picture in group]


def bright_bodies(picture: np.ndarray, sigma: float) -> int:
    """Number of bright spots of about this size."""
    response = -gaussian_laplace(picture, sigma) * sigma**2
    return int(label(response > max(0.45 * response.max(), 0.05))[1])


def outer_share(picture: np.ndarray) -> float:
    """Light beyond 22 pixels from the middle, over that within."""
    y, x = np.mgrid[:78, :78] - 38.5
    distance, light = np.hypot(x, y), picture - np.quantile(picture, 0.02)
    return float(light[(distance > 22) & (distance < 36)].sum() / light[distance <= 22].sum())


def test_the_layout_is_that_of_the_published_images(cells: Path) -> None:
    assert sorted(path.name for path in (cells / "hep2").iterdir()) == [
        "gt_training.csv",
        "test",
        "training",
        "validation",
    ]
    lines = (cells / "hep2" / "gt_training.csv").read_bytes().decode().split("\n")
    assert lines[:2] == ["Image ID,Image class", "00001,Homogeneous"]
    expected = [f"{20 * index + k + 1:05d},{name}" for index, name in enumerate(CLASSES) for k in range(20)]
    assert lines[1:] == [*expected, ""]
    images = sorted(path.name for path in cells.rglob("*.png"))
    assert images == [f"{number:05d}.png" for number in range(1, 121)]


def test_images_are_square_and_grey(cells: Path, phantom: Hep2) -> None:
    for path in cells.rglob("*.png"):
        with Image.open(path) as image:
            assert (image.size, image.mode) == ((39, 39), "L")
    group = prepare_specimen(phantom, "Golgi", [0])
    assert take_cell(phantom, "Golgi", group, scale=1.0, seed=[0]).shape == (78, 78)


def test_the_adapter_reads_it_and_finds_the_specimens(cells: Path) -> None:
    samples = ADAPTER.read(cells, {"block": 5}, "datasets.hep2")
    assert Counter(sample.label for sample in samples) == dict.fromkeys(CLASSES, 20)
    assert set(Counter(sample.group for sample in samples).values()) == {5}
    assert {sample.split for sample in samples} == {"train", "val", "test"}


def test_the_published_split_tears_specimens(cells: Path) -> None:
    samples = ADAPTER.read(cells, {"block": 5}, "datasets.hep2")
    splits: dict[str, set[str | None]] = {}
    for sample in samples:
        splits.setdefault(sample.group, set()).add(sample.split)
    assert sum(len(found) > 1 for found in splits.values()) > 0.9 * len(splits)


@pytest.mark.parametrize("count", [20, 1000])
def test_the_split_has_the_published_shares(count: int) -> None:
    for index in range(6):
        splits = Counter(split_of(4, index, position) for position in range(count))
        for split, share in (("training", 0.64), ("validation", 0.16), ("test", 0.20)):
            assert splits[split] / count == pytest.approx(share, abs=2 / count)


def test_the_same_arguments_write_the_same_bytes(cells: Path, tmp_path: Path) -> None:
    np.random.seed(99)  # the global generator must not matter
    WRITER.write(tmp_path, TABLE, REQUEST)
    assert contents(tmp_path) == contents(cells)


def test_more_specimens_leave_the_others_as_they_were(cells: Path, tmp_path: Path) -> None:
    WRITER.write(tmp_path, TABLE, replace(REQUEST, fields_per_class=2))
    fewer, more = contents(tmp_path), contents(cells)
    for name, data in fewer.items():
        if name.endswith(".png"):
            index, within = divmod(int(Path(name).stem) - 1, 10)
            moved = Path(name).parent / f"{20 * index + within + 1:05d}.png"
            assert more[str(moved)] == data


def test_nucleolar_cells_have_few_large_bodies_and_centromeres_many_small_ones(phantom: Hep2) -> None:
    few, many = (
        np.median([bright_bodies(picture, 1.5) for picture in flat(pictures(phantom, name, 12, 3))])
        for name in ("Nucleolar", "Centromere")
    )
    assert 1 <= few <= 6
    assert many >= 2 * few


def test_golgi_glows_beside_the_nucleus_and_homogeneous_within(phantom: Hep2) -> None:
    shares = {name: [outer_share(p) for p in flat(pictures(phantom, name, 12, 3))] for name in CLASSES}
    assert np.median(shares["Golgi"]) > 1.8 * np.median(shares["Homogeneous"])


def test_a_nuclear_membrane_is_brighter_at_the_rim_than_a_homogeneous_nucleus(phantom: Hep2) -> None:
    def rim_over_middle(picture: np.ndarray) -> float:
        smooth = gaussian_filter(picture, 1.5)
        nucleus = smooth > 0.5 * (np.quantile(smooth, 0.05) + np.quantile(smooth, 0.8))
        depth = distance_transform_edt(binary_fill_holes(nucleus))
        return float(picture[(depth > 1) & (depth < 5)].mean() / picture[depth > 9].mean())

    rims = {n: [rim_over_middle(p) for p in flat(pictures(phantom, n, 40, 2))] for n in ("NuMem", "Homogeneous")}
    assert np.median(rims["NuMem"]) > 1.09 * np.median(rims["Homogeneous"])
    assert np.quantile(rims["Homogeneous"], 0.9) > np.quantile(rims["NuMem"], 0.1)


def test_speckled_nuclei_are_more_uneven_than_homogeneous_ones(phantom: Hep2) -> None:
    def unevenness(picture: np.ndarray) -> float:
        middle = picture[26:52, 26:52]
        return float((gaussian_laplace(middle, 2.0) * 4).std() / middle.mean())

    rough, even = (
        [unevenness(p) for p in flat(pictures(phantom, name, 20, 2))] for name in ("Speckled", "Homogeneous")
    )
    assert np.median(rough) > 1.25 * np.median(even)
    assert np.quantile(even, 0.92) > np.quantile(rough, 0.08)  # but they overlap


def test_cells_of_one_specimen_resemble_each_other(phantom: Hep2) -> None:
    groups = pictures(phantom, "Centromere", 15, 4)
    means = np.array([[picture.mean() for picture in group] for group in groups])
    # The F ratio of an analysis of variance, 1 for strangers.
    assert 4 * means.mean(axis=1).var(ddof=1) > 2.5 * means.var(axis=1, ddof=1).mean()


def test_a_table_of_other_classes_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(TABLE.read_text(encoding="utf-8").replace("  Golgi:", "  Gogli:"), encoding="utf-8")
    with pytest.raises(CytopipeError, match="Gogli"):
        WRITER.write(tmp_path / "out", other, REQUEST)
    assert not (tmp_path / "out").exists()


def test_a_misspelt_structure_is_refused_with_the_right_name(tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(TABLE.read_text(encoding="utf-8").replace("golgi_arc:", "golgi_ark:"), encoding="utf-8")
    with pytest.raises(CytopipeError, match="golgi_arc"):
        WRITER.write(tmp_path / "out", other, REQUEST)
