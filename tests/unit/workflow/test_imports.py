from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from workflow.imports import ROOT, closure, dependencies, main

SOURCES = {
    "stages/fit.py": "from cytopipe import net\n",
    "src/cytopipe/__init__.py": "",
    "src/cytopipe/net.py": "import numpy\nfrom cytopipe.parts.small import cut\n",
    "src/cytopipe/idle.py": "",
    "src/cytopipe/late.py": "",
    "src/cytopipe/parts/__init__.py": "",
    "src/cytopipe/parts/small.py": "def cut():\n    import cytopipe.late\n",
}
WHOLE = [
    "stages/fit.py",
    "src/cytopipe/__init__.py",
    "src/cytopipe/late.py",
    "src/cytopipe/net.py",
    "src/cytopipe/parts",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def write_deps(root: Path, deps: list[str]) -> None:
    listed = "".join(f"      - {dep}\n" for dep in ["data/cells", *deps])
    (root / "dvc.yaml").write_text(f"stages:\n  fit:\n    cmd: x\n    deps:\n{listed}")


def test_the_code_deps_of_every_stage_are_its_imports(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(ROOT) == 0, capsys.readouterr().out


def test_imports_are_followed_through_packages_and_into_functions(root: Path) -> None:
    found = {path.as_posix() for path in closure(Path("stages/fit.py"), root)}
    assert found == set(SOURCES) - {"stages/fit.py", "src/cytopipe/idle.py"}


def test_a_package_that_is_imported_whole_is_named_as_a_folder(root: Path) -> None:
    assert dependencies(Path("stages/fit.py"), root) == WHOLE
    (root / "src/cytopipe/parts/unused.py").touch()
    parts = ["src/cytopipe/parts/__init__.py", "src/cytopipe/parts/small.py"]
    assert dependencies(Path("stages/fit.py"), root) == [*WHOLE[:-1], *parts]


def test_deps_in_step_pass(root: Path) -> None:
    write_deps(root, WHOLE)
    assert main(root) == 0


def test_a_missing_dep_is_caught(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_deps(root, [dep for dep in WHOLE if dep != "src/cytopipe/late.py"])
    assert main(root) == 1
    assert "fit: missing ['src/cytopipe/late.py'], idle []" in capsys.readouterr().out


def test_an_idle_dep_is_caught(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_deps(root, [*WHOLE, "src/cytopipe/idle.py"])
    assert main(root) == 1
    assert "fit: missing [], idle ['src/cytopipe/idle.py']" in capsys.readouterr().out


def test_write_puts_the_imports_in_place_of_the_deps_and_leaves_data_alone(root: Path) -> None:
    write_deps(root, ["src/cytopipe/idle.py"])
    assert main(root, write=True) == 0
    after = (root / "dvc.yaml").read_text()
    write_deps(root, WHOLE)
    assert after == (root / "dvc.yaml").read_text()


def test_a_planted_import_in_the_library_is_caught(tmp_path: Path) -> None:
    for name in ("stages", "src/cytopipe"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    assert main(tmp_path) == 0
    with (tmp_path / "src/cytopipe/data/splits.py").open("a") as module:
        module.write("\n\ndef late():\n    from cytopipe_phantoms import cell\n")
    assert main(tmp_path) == 1
