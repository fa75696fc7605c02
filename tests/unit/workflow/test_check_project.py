"""Before a run: the models that were trained on another number of devices, which DVC does not see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from workflow.check_project import main

from cytopipe.results.model_spec import SPEC, ModelSpec

Make = Callable[[Path | dict[str, Any]], Path]


def write(folder: Path, devices: int | None) -> None:
    folder.mkdir(parents=True)
    values = {"architecture": "x", "arguments": {}, "classes": ("a",), "channels": "rgb", "input_size": 32}
    side = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "training_data_sha256": "0" * 64}
    ModelSpec.model_validate({"task": "classification", **values, **side, "devices": devices}).write(folder / SPEC)


def test_models_of_another_number_of_devices_are_named(
    project: Make, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny["runtime"]["devices"] = 2
    root = project(tiny)
    for name, devices in (("masks", None), ("resnet-rgb", 2), ("resnet-masked", 3)):
        write(root / "models/classifiers" / name, devices)
    monkeypatch.chdir(root)
    main()
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" (")[0].partition(", which")[0] for line in lines] == [
        "train_classifier@masks: trained with runtime.devices: 1",
        "train_classifier@resnet-masked: trained with runtime.devices: 3",
    ]
    assert all("dvc repro --force --single-item train_classifier@" in line for line in lines)


@pytest.mark.parametrize("content", [b"{}", b"\xff", b'{"schema'])
def test_a_model_whose_description_is_damaged_does_not_stop_the_run_that_mends_it(
    project: Make, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    root = project(tiny)
    folder = root / "models/classifiers/masks"
    write(folder, None)
    (folder / SPEC).write_bytes(content)
    monkeypatch.chdir(root)
    main()
