"""Compares the code dependencies in dvc.yaml with the packages that the stage scripts import, directly or indirectly.

`python workflow/imports.py --write` updates dvc.yaml; without the option it prints the differences and exits with 1.

A package is a folder directly inside src/cytopipe, or src/cytopipe_phantoms; dvc.yaml names it as a whole. The folders
inside the packages in SPLIT count separately: training logs models to MLflow, and a change of the ONNX export must not
rerun it, nor a change of the leaderboard the test of a segmenter. The two modules directly inside src/cytopipe do not
count: errors.py does not affect outputs, and a path that changes in paths.py changes in dvc.yaml too.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from cytopipe.core.pipeline.description import read_description

ROOT = Path(__file__).resolve().parent.parent
SOURCE = Path("src")
LIBRARY, PHANTOMS = SOURCE / "cytopipe", SOURCE / "cytopipe_phantoms"
SPLIT = frozenset(LIBRARY / name for name in ("deploy", "evaluation"))


def closure(script: Path, root: Path = ROOT) -> set[Path]:
    """Modules of the library that a script imports, also inside functions, or finds with pkgutil.

    They include the `__init__.py` of every package on the way, but not the script.

    Args:
        script: path relative to `root`.
        root: root of the project.

    Returns:
        Paths relative to `root`.
    """
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        for module in _imported(waiting.pop(), root):
            if module not in found and (root / module).is_file():
                found.add(module)
                waiting.append(module)
    return found


def packages(script: Path, root: Path = ROOT) -> list[str]:
    """The packages that a script imports from, sorted."""
    return sorted({path.as_posix() for module in closure(script, root) if (path := _package_of(module))})


def _package_of(module: Path) -> Path | None:
    """The package that a module belongs to; None if the module does not count."""
    inside = module.relative_to(SOURCE).parts
    if inside[0] == PHANTOMS.name:
        return PHANTOMS
    folder = LIBRARY / inside[1]
    if len(inside) == 2:
        return None
    if folder not in SPLIT:
        return folder
    return None if inside[2] == "__init__.py" else folder / inside[2]


def _imported(file: Path, root: Path) -> Iterator[Path]:
    names: dict[str, str] = {}  # name in this file -> module
    nodes = list(ast.walk(ast.parse((root / file).read_text(encoding="utf-8"))))
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from package import name`: the name may be a module of the package.
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for name in names.values():
        yield from _files(name)
    for node in nodes:
        match node:  # a registry: pkgutil.iter_modules(package.__path__)
            case ast.Call(
                func=ast.Attribute(attr="iter_modules"), args=[ast.Attribute(value=ast.Name(id=name), attr="__path__")]
            ):
                package = root.joinpath(SOURCE, *names[name].split("."))
                yield from (path.relative_to(root) for path in sorted(package.glob("*.py")))


def _files(name: str) -> Iterator[Path]:
    """Files that may be executed when a name is imported."""
    parts = name.split(".")
    if parts[0] in (LIBRARY.name, PHANTOMS.name):
        for end in range(1, len(parts) + 1):
            yield SOURCE.joinpath(*parts[:end], "__init__.py")
            yield SOURCE.joinpath(*parts[:end]).with_suffix(".py")


def main(root: Path = ROOT, write: bool = False) -> int:
    """Compare the packages that dvc.yaml names, or with `write` update them; returns the exit status."""
    file = root / "dvc.yaml"
    text = before = file.read_text(encoding="utf-8")
    for name, stage in read_description(file).stages.items():
        script = Path(f"stages/{name}.py")
        named = [dep for dep in stage.deps if dep.startswith(f"{SOURCE}/")]
        wanted = packages(script, root)
        if named != wanted:
            missing, idle = sorted(set(wanted) - set(named)), sorted(set(named) - set(wanted))
            print(f"dvc.yaml: deps of {name}: missing {missing}, idle {idle}, or out of order")
            text = _with_packages(text, script, wanted)
    if write:
        file.write_text(text, encoding="utf-8")
    elif text != before:
        print("python workflow/imports.py --write   updates them")
    return int(text != before and not write)


def _with_packages(text: str, script: Path, wanted: Sequence[str]) -> str:
    """dvc.yaml with the packages below the script of a stage replaced; everything else stays, including comments."""
    block = re.compile(rf"^( *- ){re.escape(script.as_posix())}\n(?:\1{SOURCE}/.*\n)*", re.MULTILINE)
    return block.sub(lambda found: "".join(f"{found[1]}{dep}\n" for dep in [script.as_posix(), *wanted]), text)


if __name__ == "__main__":
    sys.exit(main(write="--write" in sys.argv[1:]))
