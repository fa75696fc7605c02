"""Small parts of the report: pictures, explanations, findings, filters, provenance."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytopipe.data.imaging.decode import encode_png
from cytopipe.errors import CytopipeError
from cytopipe.report.explained import PANELS, PIXELS, explained, in_turn
from cytopipe.report.findings import audited
from cytopipe.report.pictures import COLOURS, Album, Picture, drawing, photograph, shrink, thumbnail
from cytopipe.report.provenance import hashes, parameters, versions
from cytopipe.report.read import Results
from cytopipe.report.render import card, count, limits, markdown_name, number, percent, plain, signed
from cytopipe.report.views import examples, origin
from cytopipe.results.audit import Example
from cytopipe.results.explanations import ExplainedImage, ExplanationDetails
from cytopipe.results.numbers import Interval


def decoded(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(picture.uri.partition(",")[2])))


def test_an_image_is_shrunk_to_its_longer_side_and_never_enlarged() -> None:
    assert shrink(np.zeros((50, 200, 3), np.uint8), 100).shape == (25, 100, 3)
    assert shrink(np.zeros((1, 500, 3), np.uint8), 100).shape == (1, 100, 3)
    small = np.zeros((20, 20, 3), np.uint8)
    assert shrink(small, 100) is small


def test_a_photograph_looks_like_its_image() -> None:
    image = np.full((16, 24, 3), (200, 60, 90), np.uint8)
    picture = photograph(image)
    assert (picture.width, picture.height) == (24, 16)
    assert np.abs(np.asarray(decoded(picture)).astype(int) - image).max() < 8
    assert photograph(image) == picture


def test_a_drawing_has_few_colours_and_its_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    file = tmp_path / "figure.png"
    file.write_bytes(encode_png(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)))
    image = decoded(drawing(file))
    assert image.mode == "P" and image.size == (40, 30)
    assert len(image.convert("RGB").getcolors() or ()) <= COLOURS


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    file = tmp_path / "figure.png"
    file.write_bytes(b"no image")
    for read in (drawing, thumbnail):
        with pytest.raises(CytopipeError, match=r"figure\.png"):
            read(file)


def test_an_album_makes_each_thumbnail_once(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(encode_png(np.zeros((5, 5, 3), np.uint8)))
    album = Album(lambda dataset, image: tmp_path / f"{image}.png")
    first = album.get("d", "a")
    file.unlink()
    assert album.get("d", "a") is first


def test_every_class_has_its_turn_wrong_ones_first() -> None:
    rest = {"predicted": "a", "probability": 0.9, "panel": "x.png", "shares": None}
    images = [
        ExplainedImage(id=f"{label}{n}{ok}", label=label, correct=ok, **rest)
        for label in "ab"
        for ok in (True, False)
        for n in "12"
    ]
    assert [image.id for image in in_turn(images)] == [
        *("a1False", "b1False", "a1True", "b1True"),
        *("a2False", "b2False", "a2True", "b2True"),
    ]


def test_panels_are_capped_and_the_others_counted(results: Results) -> None:
    shown = explained(results.classifiers["first"])
    assert (len(shown.panels), shown.hidden) == (PANELS, 1)
    assert shown.columns == ["IG, random", "Grad-CAM", PIXELS]


def test_no_explained_image_is_nothing(results: Results) -> None:
    for name in ("second", "folded"):
        shown = explained(results.classifiers[name])
        assert shown.content is None and not shown.panels and not shown.shares and shown.methods == []


def test_a_share_that_was_not_measured_is_left_out(results: Results) -> None:
    one = results.classifiers["first"]
    assert one.explanations is not None
    content = json.loads(json.dumps(one.explanations.plain))
    content["shares"]["normal"]["grad_cam"]["nucleus"]["mean"] = None
    shown = explained(replace(one, explanations=ExplanationDetails.model_validate(content)))
    assert list(shown.shares["normal"]) == ["IG, random", PIXELS]


def test_findings_come_worst_first_with_few_pairs(results: Results) -> None:
    smear = results.datasets["smear"]
    found = audited(smear, Album(lambda dataset, image: smear.image(image)))
    assert [finding.verdict for finding in found.findings] == ["fail", "warning", "ok", "skipped"]
    assert [finding.check for finding in found.alarms] == ["background_only", "near_duplicates"]
    near = found.findings[1]
    assert (len(near.pairs), near.hidden) == (4, 2)
    assert [split for _, split, _ in near.pairs[0].images] == ["train", "test"]
    assert found.findings[3].figure is not None


def test_a_pair_of_unknown_images_is_counted_and_not_drawn(results: Results) -> None:
    smear = results.datasets["smear"]
    assert smear.audit is not None
    gone = Example(ids=("gone", "lost"), splits=("train", "test"), distance=1)
    near = smear.audit.findings[2].model_copy(update={"examples": (gone,)})
    audit = smear.audit.model_copy(update={"findings": (near,)})
    found = audited(replace(smear, audit=audit), Album(lambda d, i: Path(i)))
    assert found.findings[0].pairs == [] and found.findings[0].hidden == 1


def test_a_missing_audit_is_stated(results: Results) -> None:
    found = audited(results.datasets["blood"], Album(lambda dataset, image: Path(image)))
    assert (found.level, found.word) == ("off", "not audited")


def test_examples_of_every_class_and_split(results: Results) -> None:
    smear = results.datasets["smear"]
    shown = examples(smear, Album(lambda dataset, image: smear.image(image)))
    assert list(shown) == smear.classes
    assert {split: len(pictures) for split, pictures in shown["normal"].items()} == {"train": 2, "val": 1, "test": 3}


def test_origins(results: Results) -> None:
    assert "no real cells" in origin(results.datasets["smear"]).text
    assert origin(results.datasets["blood"]).text == "the local archive blood.zip"


def test_numbers_for_people() -> None:
    assert (number(None), number(0.12345), number(2.0, 0), number(-0.5, 1)) == ("–", "0.123", "2", "−0.5")
    assert (signed(-0.05), signed(0.05), signed(None)) == ("−0.050", "+0.050", "–")
    assert (limits(None), limits(Interval(low=0.1, high=0.25))) == ("–", "0.100 to 0.250")
    assert (percent(None), percent(0.95), percent(0.071, 1)) == ("–", "95 %", "7.1 %")
    assert count(1234567) == "1\u202f234\u202f567"
    assert [plain(value) for value in (None, 3, 3.0, 0.12345, "a")] == ["–", "3", "3", "0.123", "a"]


def test_names_in_markdown_are_shown_literally() -> None:
    assert markdown_name("<b>|`x`") == r"\<b\>\|\`x\`"
    assert markdown_name("two\nlines") == "two lines"


def test_runs_of_empty_lines_in_a_card_become_one(results: Results) -> None:
    text = card("segmenter_card.md.j2", one=results.segmenters["otsu"], metrics="", weights={})
    assert "\n\n\n" not in text and text.endswith("```\n")


def test_parameters_hide_absolute_paths(results: Results) -> None:
    values = parameters(results.params)
    assert values["datasets"]["blood"]["source"]["path"] == "blood.zip"
    assert values["datasets"]["smear"]["source"]["path"] == "workflow/phantoms/cervix.yaml"
    assert "tracking" not in values and "num_workers" not in values["runtime"]


def test_versions_and_hashes(results: Results) -> None:
    assert versions()["numpy"] == np.__version__
    found = hashes(results)
    assert found["Weights"]["classifier folded: folds/0/weights.safetensors"] == "ab" * 32
    assert found["Test images"]["first"] == "cd" * 32
    assert set(found["Manifests of the images"]) == {"smear", "blood"}
