from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cytopipe.errors import CytopipeError
from cytopipe_phantoms.field import take_field
from cytopipe_phantoms.spec import Normal, Phantom, read_table

Table = dict[str, Any]


def nc_ratio(table: Table) -> Table:
    ratio: Table = table["classes"]["Parabasal"]["nucleus"]["nc_ratio"]
    return ratio


def misspell(table: Table) -> None:
    table["classes"]["Parabasal"]["nucleus"]["nc_rato"] = table["classes"]["Parabasal"]["nucleus"].pop("nc_ratio")


def forget(table: Table) -> None:
    del table["slide"]["blur"]


def put_the_mean_outside(table: Table) -> None:
    nc_ratio(table)["mean"] = 0.9


def make_the_spread_negative(table: Table) -> None:
    nc_ratio(table)["sd"] = -0.1


def allow_more_nucleus_than_cell(table: Table) -> None:
    nc_ratio(table)["high"] = 1.4


def write_a_word(table: Table) -> None:
    table["clutter"]["debris"] = "some"


def exceed_a_probability(table: Table) -> None:
    table["classes"]["Koilocytotic"]["halo"]["probability"] = 1.5


def leave_no_class(table: Table) -> None:
    table["classes"] = {}


def name_a_class_like_a_path(table: Table) -> None:
    table["classes"]["../up"] = table["classes"].pop("Parabasal")


@pytest.mark.parametrize(
    ("spoil", "key"),
    [
        (misspell, "classes.Parabasal.nucleus.nc_rat"),
        (forget, "slide.blur: this key is missing"),
        (put_the_mean_outside, "classes.Parabasal.nucleus.nc_ratio: mean 0.9 is outside low 0.12 to high 0.48"),
        (make_the_spread_negative, "classes.Parabasal.nucleus.nc_ratio.sd"),
        (allow_more_nucleus_than_cell, "classes.Parabasal.nucleus.nc_ratio: low and high must lie within 0 to 1"),
        (write_a_word, "clutter.debris"),
        (exceed_a_probability, "classes.Koilocytotic.halo.probability"),
        (leave_no_class, "classes"),
        (name_a_class_like_a_path, "classes.../up"),
    ],
)
def test_a_faulty_table_is_refused_and_its_key_named(
    cervix: Path, tmp_path: Path, spoil: Callable[[Table], None], key: str
) -> None:
    table = yaml.safe_load(cervix.read_text(encoding="utf-8"))
    spoil(table)
    path = tmp_path / "spoilt.yaml"
    path.write_text(yaml.safe_dump(table, sort_keys=False), encoding="utf-8")
    with pytest.raises(CytopipeError) as caught:
        read_table(path, Phantom)
    assert f"{path}: {key}" in str(caught.value)


def test_an_unknown_key_brings_the_nearest_known_one(cervix: Path, tmp_path: Path) -> None:
    table = yaml.safe_load(cervix.read_text(encoding="utf-8"))
    table["clutter"]["leucocytes"] = 3
    path = tmp_path / "spoilt.yaml"
    path.write_text(yaml.safe_dump(table), encoding="utf-8")
    with pytest.raises(CytopipeError, match="did you mean `leukocytes`"):
        read_table(path, Phantom)


@pytest.mark.parametrize(("text", "message"), [("classes: [", "not valid YAML"), ("", "mapping|dictionary")])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CytopipeError, match=message):
        read_table(path, Phantom)


def test_a_file_of_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("classes: {}  # Zellen für alle".encode("latin-1"))
    with pytest.raises(CytopipeError, match=r"latin\.yaml: a phantom's table is UTF-8 text\n  -> save it as UTF-8"):
        read_table(path, Phantom)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=r"absent\.yaml: cannot read"):
        read_table(tmp_path / "absent.yaml", Phantom)


def test_cells_too_large_for_the_field_are_refused(cervix: Path, tmp_path: Path) -> None:
    table = yaml.safe_load(cervix.read_text(encoding="utf-8"))
    table["field"] |= {"width": 200, "height": 100}
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(table), encoding="utf-8")
    with pytest.raises(CytopipeError, match=r"classes\.Metaplastic\.shape\.radius: a cell does not fit"):
        take_field(read_table(path, Phantom), "Metaplastic", count=3, scale=1.0, seed=[0])


def test_draws_keep_to_mean_spread_and_limits() -> None:
    rng = np.random.default_rng(0)
    wide = np.array([Normal(mean=5, sd=2, low=-100, high=100).draw(rng) for _ in range(3000)])
    assert wide.mean() == pytest.approx(5, abs=0.15)
    assert wide.std() == pytest.approx(2, abs=0.12)
    cut = np.array([Normal(mean=5, sd=2, low=4, high=5.5).draw(rng) for _ in range(500)])
    assert 4 <= cut.min() < 4.05 and 5.45 < cut.max() <= 5.5
    assert Normal(mean=5, sd=0, low=5, high=5).draw(rng) == 5
