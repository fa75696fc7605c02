from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from workflow.imports import ROOT, closure, main, packages

SOURCES = {
    "stages/fit.py": "from cytopipe import net\n",
    "src/cytopipe/__init__.py": "",
    "src/cytopipe/errors.py": "",
    "src/cytopipe/idle/__init__.py": "",
    "src/cytopipe/late/__init__.py": "",
    "src/cytopipe/late/cut.py": "",
    "src/cytopipe/net/__init__.py": "import numpy\nfrom cytopipe.deploy.small.cut import cut\n",
    "src/cytopipe/net/unused.py": "import cytopipe.idle\n",
    "src/cytopipe/deploy/__init__.py": "",
    "src/cytopipe/deploy/other/__init__.py": "",
    "src/cytopipe/deploy/small/__init__.py": "",
    "src/cytopipe/deploy/small/cut.py": "import cytopipe.errors\n\ndef cut():\n    import cytopipe.late.cut\n",
}
WANTED = ["src/cytopipe/deploy/small", "src/cytopipe/late", "src/cytopipe/net"]
FIT = Path("stages/fit.py")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def write_deps(root: Path, deps: list[str]) -> str:
    listed = "".join(f"      - {dep}\n" for dep in ["data/cells", "stages/fit.py", *deps])
    text = f"stages:\n  fit:   # a comment\n    cmd: x\n    deps:\n{listed}    outs: [model]\n"
    (root / "dvc.yaml").write_text(text)
    return text


def test_the_packages_of_every_stage_are_its_imports(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(ROOT) == 0, capsys.readouterr().out


def test_imports_are_followed_through_packages_and_into_functions(root: Path) -> None:
    found = {path.as_posix() for path in closure(FIT, root)}
    unused = {"src/cytopipe/idle/__init__.py", "src/cytopipe/net/unused.py", "src/cytopipe/deploy/other/__init__.py"}
    assert found == set(SOURCES) - {"stages/fit.py"} - unused


def test_a_folder_is_a_package_and_in_deploy_each_folder_counts_by_itself(root: Path) -> None:
    assert packages(FIT, root) == WANTED


def test_the_generator_of_phantoms_is_a_package(root: Path) -> None:
    (root / "src/cytopipe_phantoms").mkdir()
    (root / "src/cytopipe_phantoms/cell.py").write_text("import cytopipe.idle\n")
    (root / FIT).write_text("from cytopipe_phantoms import cell\n")
    assert packages(FIT, root) == ["src/cytopipe/idle", "src/cytopipe_phantoms"]


def test_a_registry_imports_every_module_of_its_package(root: Path) -> None:
    package = root / "src/cytopipe/net/layers"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "deep.py").write_text("import cytopipe.idle\n")
    imports = "import pkgutil\nfrom cytopipe.net import layers as all_of\n"
    (root / "src/cytopipe/net/registry.py").write_text(f"{imports}names = pkgutil.iter_modules(all_of.__path__)\n")
    (root / FIT).write_text("from cytopipe.net.registry import build\n")
    assert Path("src/cytopipe/net/layers/deep.py") in closure(FIT, root)
    assert "src/cytopipe/idle" in packages(FIT, root)


@pytest.mark.parametrize(
    ("script", "found"),
    [("evaluate", "src/cytopipe/models/architectures/otsu.py"), ("organize", "src/cytopipe/adapters/herlev.py")],
)
def test_architectures_and_adapters_are_found_through_their_registries(script: str, found: str) -> None:
    assert (ROOT / found).is_file()
    assert Path(found) in closure(Path(f"stages/{script}.py"))


def test_deps_in_step_pass(root: Path) -> None:
    write_deps(root, WANTED)
    assert main(root) == 0


def test_a_missing_package_is_caught(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_deps(root, [dep for dep in WANTED if dep != "src/cytopipe/late"])
    assert main(root) == 1
    assert "fit: missing ['src/cytopipe/late'], idle []" in capsys.readouterr().out


def test_an_idle_package_is_caught(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_deps(root, [*WANTED, "src/cytopipe/idle"])
    assert main(root) == 1
    assert "fit: missing [], idle ['src/cytopipe/idle']" in capsys.readouterr().out


@pytest.mark.parametrize("former", [[], ["src/cytopipe/idle"], [*reversed(WANTED)]])
def test_write_puts_the_imports_in_place_of_the_packages_and_leaves_all_else_alone(
    root: Path, former: list[str]
) -> None:
    write_deps(root, former)
    assert main(root, write=True) == 0
    after = (root / "dvc.yaml").read_text()
    assert after == write_deps(root, WANTED)


def test_a_planted_import_in_the_library_is_caught(tmp_path: Path) -> None:
    for name in ("stages", "src"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    assert main(tmp_path) == 0
    with (tmp_path / "src/cytopipe/data/splits.py").open("a") as module:
        module.write("\n\ndef late():\n    from cytopipe_phantoms import cell\n")
    assert main(tmp_path) == 1
