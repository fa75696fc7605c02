from __future__ import annotations

import pytest

from cytopipe.adapters.layout import split_of, words_of
from cytopipe.adapters.level_names import is_patient, joined_with_splits, kind_of, splits_of
from cytopipe.core.params import DEVELOPMENT


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"), ("Training", "train"), ("TRAIN", "train"), ("training_set", "train"), ("TrainSet", "train"),
        ("trainset", "train"), ("train_data", "train"), ("Train-Images", "train"), ("X_train", "train"),
        ("train1", "train"), ("tra", "train"), ("my train set", "train"), ("train (1)", "train"),
        ("val", "val"), ("VALID", "val"), ("validation", "val"), ("dev", "val"), ("Cross Validation", "val"),
        ("test", "test"), ("TestA", "test"), ("TESTB", "test"), ("TEST_SIMPLE", "test"), ("hold-out", "test"),
        ("testing_images", "test"), ("tes", "test"), ("trainval", DEVELOPMENT), ("train_val", DEVELOPMENT),
        ("train+test", None), ("fold1", None), ("contest", None), ("pretrain", None), ("latest", None),
        ("control", None),
        ("Trainingsdaten", "train"), ("Validación", "val"), ("prueba", "test"), ("TESTSet", "test"),
        ("train_normal", None), ("testis", None), ("data", None), ("a", None), ("", None), ("1", None),
        ("images", None),
    ],
)  # fmt: skip
def test_splits_are_known_in_any_case_with_the_usual_words_beside_them(name: str, split: str | None) -> None:
    assert split_of(name) == split


def test_the_words_of_a_name() -> None:
    assert words_of("TestA_1") == ["test", "a"]
    assert words_of("trainingSet-final(2)") == ["training", "set", "final"]
    assert words_of("正常_2") == ["正常"]


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ("train val test", "split"), ("cells_train cells_test", "split"), ("train", "split"), ("TestA TestB", "split"),
        ("fold1 fold2", "part"), ("fold_a fold_b", "part"), ("1st_fold 2nd_fold", "part"), ("batch-1 batch-2", "part"),
        ("40X 100X 400X", "scale"), ("images", "one"), ("8863", "one"),
        ("8863 9254 10253", "patient"), ("P1 P2", "patient"), ("patient_1 patient_2", "patient"),
        ("slideA slideB", "patient"), ("001 002", "patient"), ("p53_pos p53_neg", "word"),
        ("P1_normal P2_normal P3_tumor", "patient"), ("A01 A02 B01 B02", "patient"), ("G1 S2 M3", "number"),
        ("TCGA-A1-A0SB TCGA-A2-A0T2", "patient"),
        ("C37P8thinF C101P62ThinF", "patient"), ("2021-03-04 2021-03-05", "patient"),
        ("3f2a9c1e8b 77aa01bb2c", "patient"),
        ("0 1", "number"), ("H1 H2", "number"), ("HER2_0 HER2_1", "number"), ("cell1 cell2", "number"),
        ("normal abnormal", "word"), ("CIN1 CIN2 CIN3", "word"), ("class_0 class_1", "word"), ("A B", "word"),
        ("covid19 normal pneumonia", "word"), ("001.Basophil 002.Monocyte", "word"), ("G1 S G2 M", "word"),
        ("stage1 stage2", "word"), ("label_0 label_1", "word"),
    ],
)  # fmt: skip
def test_what_names_look_like(names: str, kind: str) -> None:
    assert kind_of(names.split()) == kind


def test_many_numbers_count_patients() -> None:
    assert kind_of([str(number) for number in range(20)]) == "number"
    assert kind_of([str(number) for number in range(21)]) == "patient"


@pytest.mark.parametrize("name", ["case 7", "Pat.12", "ROI_003", "img-12", "S12", "biopsy3", "8863_idx5"])
def test_patients_slides_and_cases(name: str) -> None:
    assert is_patient(name)


@pytest.mark.parametrize("name", ["grade 12", "normal", "CIN3", "Type2", "HeLa", "p53_high"])
def test_what_is_no_patient(name: str) -> None:
    assert not is_patient(name)


def test_splits_with_one_rest_are_splits_and_with_several_are_joined() -> None:
    assert splits_of(["red_train", "red_test"]) == {"red_train": "train", "red_test": "test"}
    assert splits_of(["red_train", "blue_test"]) == {}
    assert joined_with_splits(["train_red", "test_red", "test_blue", "x"]) == ["test_red", "train_red"]
    assert joined_with_splits(["test_red", "red"]) == []
