"""Which library modules a stage script imports, directly or not: the `deps` that dvc.yaml must name.

`python workflow/imports.py --write` updates dvc.yaml; without the option it prints what differs and exits with 1.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = Path("src/cytopipe")


def closure(script: Path, root: Path = ROOT) -> set[Path]:
    """Library files that a script imports, also inside functions, with the `__init__.py` of every package on the way.

    Args:
        script: relative to `root`.
        root: of the project.

    Returns:
        Paths relative to `root`; the script itself is not among them.
    """
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        for module in _imported(root / waiting.pop()):
            if module not in found and (root / module).is_file():
                found.add(module)
                waiting.append(module)
    return found


def _imported(file: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from package import name`: the name may be a module of the package.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            yield from _files(name)


def _files(name: str) -> Iterator[Path]:
    parts = name.split(".")
    if parts[0] != "cytopipe":
        return
    for end in range(1, len(parts) + 1):
        yield LIBRARY.joinpath(*parts[1:end], "__init__.py")
    if len(parts) > 1:
        yield LIBRARY.joinpath(*parts[1:]).with_suffix(".py")


def dependencies(script: Path, root: Path = ROOT) -> list[str]:
    """The `deps` of a stage: its script and the library; a package of which every module is imported as a folder."""
    files = closure(script, root)
    folders = {
        folder
        for folder in {file.parent for file in files} - {LIBRARY}
        if all(path.relative_to(root) in files for path in (root / folder).rglob("*.py"))
    }
    rest = {file for file in files if not folders.intersection(file.parents)}
    tops = {folder for folder in folders if not folders.intersection(folder.parents)}
    return [script.as_posix(), *sorted(path.as_posix() for path in rest | tops)]


def is_code(dependency: str) -> bool:
    """Whether a dep of dvc.yaml is code, not data."""
    return dependency.startswith(("stages/", f"{LIBRARY.as_posix()}/"))


def main(root: Path = ROOT, write: bool = False) -> int:
    """Compare, or with `write` update, the code deps of every stage; returns the exit status."""
    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    file = root / "dvc.yaml"
    content = yaml.load(file.read_text(encoding="utf-8"))
    differing = False
    for name, stage in content["stages"].items():
        deps = stage.get("do", stage)["deps"]
        wanted = [*(dep for dep in deps if not is_code(dep)), *dependencies(Path(f"stages/{name}.py"), root)]
        if list(deps) != wanted:
            differing = True
            missing, idle = set(wanted) - set(deps), set(deps) - set(wanted)
            print(f"dvc.yaml: deps of {name}: missing {sorted(missing)}, idle {sorted(idle)}, or out of order")
            deps[:] = wanted
    if write and differing:
        with file.open("w", encoding="utf-8") as target:
            yaml.dump(content, target)
    elif differing:
        print("python workflow/imports.py --write   updates them")
    return int(differing and not write)


if __name__ == "__main__":
    sys.exit(main(write="--write" in sys.argv[1:]))
