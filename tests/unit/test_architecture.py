"""The shape of the library: imports point one way, files are short, torch stays where it is needed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# From the ground up: a module or package imports only from those before it.
LAYERS = (
    "errors", "paths", "search_paths", "slide_paths",
    "core", "core.params", "core.io", "core.pipeline",  # what everything stands on
    "sources", "data.imaging", "adapters", "data",     # from a publisher's files to tensors
    "metrics", "metrics.plotting", "results",          # numbers, figures, the contracts between stages
    "models", "models.inference", "training", "embeddings",          # networks
    "evaluation", "search", "gate", "verify", "screening", "slides", "explain", "audit", "external",
    "report", "dossier", "review",                     # what people look at
    "deploy", "inspection", "weights", "presets", "app", "cli",      # how it is used
)  # fmt: skip

MOST_LINES = 300
LONGER: dict[str, str] = {}  # file: why it is longer
WITHOUT_TORCH = ("download", "organize", "build_tensors", "audit", "compare", "report")
HEAVY = frozenset({"torch", "torchvision", "timm", "monai", "captum"})


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def file_of(module: str, root: Path) -> Path | None:
    """The file of one of cytopipe's modules; None for a name that is none."""
    path = root / "src" / Path(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def imports(file: Path, root: Path = ROOT) -> Iterator[tuple[str, int]]:
    """Every imported module with its line, also inside functions; `from a import b` is a.b where that is a module."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, (
                f"{file}:{node.lineno}: a relative import escapes workflow/imports.py"
            )
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (inner if file_of(inner, root) else node.module), node.lineno


def layer_of(module: str) -> str | None:
    """The layer of a module, named as below src/cytopipe; None for a module of another library."""
    package, _, rest = module.partition(".")
    parts = rest.split(".")
    if package != "cytopipe" or not rest:
        return None
    return ".".join(parts[:2]) if ".".join(parts[:2]) in LAYERS else parts[0]


def upward(root: Path = ROOT) -> list[str]:
    """Imports that point to a later layer."""
    library = root / "src/cytopipe"
    faults = []
    for file in sorted(library.rglob("*.py")):
        own = layer_of(".".join(("cytopipe", *file.relative_to(library).with_suffix("").parts)))
        for module, line in imports(file, root):
            target = layer_of(module)
            if own and target and LAYERS.index(target) > LAYERS.index(own):
                faults.append(f"{file.relative_to(library)}:{line} imports {target}")
    return faults


def in_cycles(edges: dict[str, set[str]]) -> list[str]:
    """Names that reach themselves."""

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            new = edges.get(waiting.pop(), set()) - seen
            seen |= new
            waiting.extend(new)
        return seen

    return sorted(name for name in edges if name in reach(name))


def test_every_module_has_its_layer() -> None:
    library = ROOT / "src/cytopipe"
    found = {path.relative_to(library).with_suffix("").parts[0] for path in modules("src/cytopipe")}
    assert found - {"__init__"} == {layer for layer in LAYERS if "." not in layer}


def test_the_generator_of_phantoms_stands_on_the_ground_floor() -> None:
    files = modules("src/cytopipe_phantoms")
    taken = {layer_of(name) for file in files for name, _ in imports(file)}
    assert taken <= {None, "errors", "core.params", "core.io"}


def test_imports_point_one_way() -> None:
    assert upward() == []


def test_an_import_that_points_up_is_found(tmp_path: Path) -> None:
    for name, text in {
        "data/imaging/masks.py": "import cytopipe.core.io.atomic\n\n\ndef late():\n    from cytopipe import training\n",
        "training/__init__.py": "",
        "training/loop.py": "from cytopipe.data.imaging.masks import late\n\nif late:\n    import cytopipe.cli\n",
    }.items():
        file = tmp_path / "src/cytopipe" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert upward(tmp_path) == ["data/imaging/masks.py:5 imports training", "training/loop.py:4 imports cli"]


def test_no_module_imports_itself_through_others() -> None:
    edges = {}
    for file in modules("src/cytopipe"):
        parts = file.relative_to(ROOT / "src").with_suffix("").parts
        edges[".".join(parts).removesuffix(".__init__")] = {name for name, _ in imports(file)}
    assert in_cycles(edges) == []


def test_a_cycle_is_found() -> None:
    assert in_cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == ["b", "c"]


@pytest.mark.parametrize("folder", ["src", "stages", "workflow", "benchmarks"])
def test_files_are_short(folder: str) -> None:
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in modules(folder)}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES and name not in LONGER} == {}


def test_timm_and_torchvision_are_imported_without_the_compiler() -> None:
    gateway = ROOT / "src/cytopipe/models/without_compiler.py"
    others = [file for file in modules("src/cytopipe") if file != gateway]
    assert {name.partition(".")[0] for name, _ in imports(gateway)} > {"timm", "torchvision"}
    direct = [f"{file.relative_to(ROOT)}:{line}" for file in others for name, line in imports(file)
              if name.partition(".")[0] in ("timm", "torchvision")]  # fmt: skip
    assert direct == []


@pytest.mark.parametrize("stage", WITHOUT_TORCH)
def test_stages_that_need_no_torch_do_not_import_it(stage: str) -> None:
    waiting, seen, heavy = [ROOT / f"stages/{stage}.py"], set(), []
    while waiting:
        file = waiting.pop()
        seen.add(file)
        for module, line in imports(file):
            if module.partition(".")[0] in HEAVY:
                heavy.append(f"{file.relative_to(ROOT)}:{line} imports {module}")
            found = file_of(module, ROOT)
            if found and found not in seen:
                waiting.append(found)
    assert heavy == []
    assert len(seen) > 10
