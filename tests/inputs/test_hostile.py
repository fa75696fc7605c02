"""More than two hundred hostile inputs of more than twenty kinds: each is read or refused in words.

No traceback, no file outside the project, none inside it that holds what lies outside, and memory that is bounded. Here
the readers are asked, one by one; what the commands and stages then say, and that they answer for the good files beside
the hostile ones, is in tests/faults/test_hostile_input.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hostile_archives as archives
import hostile_images as images
import hostile_texts as texts
from fixture_types import SaveClassifier

SECRET = "the secret beside the project"
# kind -> the reader in hostile_reader.py, the suffix of the files, and their writers
KINDS: dict[str, tuple[str, str, Callable[[], dict[str, archives.Write]]]] = {
    "names in a zip that lead out": ("archive", ".zip", archives.escapes_of_zip),
    "names in a tar that lead out": ("archive", ".tar", archives.escapes_of_tar),
    "names in a 7z that lead out": ("archive", ".7z", archives.escapes_of_7z),
    "links and devices": ("archive", "", archives.links_and_devices),
    "headers of a tar": ("archive", ".tar.gz", archives.headers_of_tar),
    "millions of members": ("archive", "", archives.many_members),
    "archives that grow": ("archive", "", archives.bombs),
    "names that clash": ("archive", "", archives.repeated_names),
    "damaged archives": ("archive", "", archives.damaged),
    "aliases of YAML": ("params", ".yaml", texts.aliases),
    "tags of YAML": ("params", ".yaml", texts.tags),
    "shapes of YAML": ("params", ".yaml", texts.shapes_of_yaml),
    "aliases in recipes": ("recipe", ".yaml", texts.aliases),
    "aliases in tables of phantoms": ("phantom", ".yaml", texts.aliases),
    "shapes of tables of phantoms": ("phantom", ".yaml", texts.shapes_of_yaml),
    "shapes of recipes": ("recipe", ".yaml", texts.shapes_of_yaml),
    "recipes": ("recipe", ".yaml", texts.recipes),
    "tables": ("table", ".csv", texts.tables),
    "workbooks": ("table", ".xlsx", texts.workbooks),
    "images that grow": ("image", ".png", images.bombs),
    "TIFF files": ("image", ".tif", images.tiffs),
    "fields that grow": ("field", ".png", images.bombs),
    "fields in TIFF": ("field", ".tif", images.tiffs),
    "what is no image": ("image", ".png", images.others),
    "damaged images": ("image", ".png", images.damaged),
    "weights": ("weights", ".safetensors", texts.weights),
    "model.json": ("spec", ".json", texts.model_jsons),
}
# Share that is refused, of kinds of which some are what they say or can be read nonetheless.
LEAST_REFUSED = {
    "archives that grow": 0.4,
    "names that clash": 0.4,
    "damaged archives": 0.9,
    "tables": 0.9,
    "workbooks": 0.5,
    "images that grow": 0.8,
    "fields that grow": 0.8,
    "damaged images": 0.0,
    "weights": 0.8,
}


def sign(folder: Path) -> None:
    """Write checksums that match, as an attacker would."""
    files = ("model.json", "weights.safetensors")
    lines = (f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in files)
    (folder / "SHA256SUMS").write_text("".join(lines))


def folders_of_models(folder: Path, save: SaveClassifier) -> dict[str, Path]:
    """Model folders whose model.json or checksums ask for too much."""
    good = save(folder / "good", "rgb")
    made: dict[str, Path] = {}

    def copy(name: str) -> Path:
        made[name] = Path(shutil.copytree(good, folder / name))
        return made[name]

    asked: dict[str, dict[str, Any]] = {
        "classes": {"num_classes": 10**9},
        "channels": {"in_channels": 10**9},
        "both": {"num_classes": 10**18, "in_channels": 10**18},
        "digits": {"num_classes": 10**400},
        "negative": {"num_classes": -1},
        "text": {"num_classes": "x" * 1_000_000},
        "unknown": {"checkpoint_path": "/etc/passwd"},
    }
    for name, arguments in asked.items():
        spec = json.loads((good / "model.json").read_text())
        spec["arguments"] |= arguments
        (copy(name) / "model.json").write_text(json.dumps(spec))
        sign(made[name])
    for name in ("model.json", "weights.safetensors", "SHA256SUMS"):
        with (copy(f"sparse {name}") / name).open("r+b") as file:
            file.truncate(1 << 36)
    (copy("lists itself") / "SHA256SUMS").write_text("".join(f"{n:064x}  f{n}\n" for n in range(5000)))
    (copy("lists outside") / "SHA256SUMS").write_text(f"{0:064x}  ../../../secret.txt\n")
    os.remove(copy("secret") / "model.json")  # noqa: PTH107
    (made["secret"] / "model.json").symlink_to(folder.parent / "secret.txt")
    return made


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, save_classifier: SaveClassifier) -> dict[str, dict[str, str]]:
    """How each input of each kind ended."""
    outside = tmp_path_factory.mktemp("outside")
    project = outside / "a" / "project"
    project.mkdir(parents=True)
    (outside / "secret.txt").write_text(SECRET)
    (outside / "a" / "secret.txt").write_text(SECRET)
    inputs = outside / "a" / "inputs"
    asked: list[tuple[str, str, str, Path]] = []
    for number, (kind, (reader, suffix, make)) in enumerate(KINDS.items()):
        folder = inputs / str(number)
        folder.mkdir(parents=True)
        for index, (name, write) in enumerate(make().items()):
            path = folder / f"{index}{suffix}"
            write(path)
            asked.append((kind, name, reader, path))
    models = folders_of_models(inputs / "models", save_classifier)
    asked += [("model folders", name, "model", path) for name, path in models.items()]
    (inputs / "secret.txt").write_text(SECRET)

    def listing() -> set[Path]:
        return {path for path in outside.rglob("*") if not path.is_relative_to(project)}

    before = listing()
    script = [sys.executable, str(Path(__file__).with_name("hostile_reader.py"))]
    lines = "".join(f"{reader}\t{index}\t{path}\n" for index, (_, _, reader, path) in enumerate(asked))
    done = subprocess.run(script, input=lines, capture_output=True, text=True, cwd=project, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, dict[str, str]] = {}
    for line in done.stdout.splitlines():
        index, how = json.loads(line)
        found.setdefault(asked[index][0], {})[asked[index][1]] = how
    assert listing() == before
    inside = [path for path in project.rglob("*") if path.is_file()]
    assert not [path for path in inside if path.name == "pwned" or SECRET.encode() in path.read_bytes()]
    assert sum(map(len, found.values())) == len(asked)
    return found


def test_there_are_hundreds_of_inputs_of_many_kinds(ended: dict[str, dict[str, str]]) -> None:
    assert len(ended) >= 20
    assert sum(map(len, ended.values())) >= 200


@pytest.mark.parametrize("kind", [*KINDS, "model folders"])
def test_each_is_read_or_refused_in_words(ended: dict[str, dict[str, str]], kind: str) -> None:
    for name, how in ended[kind].items():
        assert how == "read" or how.startswith("refused: "), f"{name}: {how}"
        assert SECRET not in how and "root:" not in how, name
        assert len(how) < 5000, name
    refused = sum(how != "read" for how in ended[kind].values())
    assert refused >= len(ended[kind]) * LEAST_REFUSED.get(kind, 1)
