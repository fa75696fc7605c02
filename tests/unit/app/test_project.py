from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from cytopipe import paths
from cytopipe.app.project import Project
from cytopipe.data.manifest import Row, write_manifest

SPLITS = {("Parabasal", 1): "train", ("Parabasal", 2): "test", ("Parabasal", 3): "test", ("Metaplastic", 1): "test"}


def test_one_test_field_of_every_class_is_offered(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(root / "params.yaml", tmp_path)
    raw, rows = paths.Raw("cervix").files, []
    for (label, number), split in SPLITS.items():
        folder = raw / f"im_{label}/im_{label}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 20)).save(folder / f"{number:03d}.bmp")
        for part in ("cyt", "nuc"):
            (folder / f"{number:03d}_{part}01.dat").write_text("5,5\n15,5\n15,15\n")
        group = f"{label}_{number:03d}"
        rows.append(Row(f"{group}_01", f"{split}/{group}.png", label, 0, split, group, 12, 12, "0" * 64))
    paths.Organized("cervix").folder.mkdir(parents=True)
    write_manifest(paths.Organized("cervix").manifest, sorted(rows, key=lambda row: row.id))
    found = {words: path.relative_to(raw).as_posix() for path, words in Project().fields()}
    assert found == {
        "cervix: Metaplastic": "im_Metaplastic/im_Metaplastic/001.bmp",
        "cervix: Parabasal": "im_Parabasal/im_Parabasal/002.bmp",
    }
