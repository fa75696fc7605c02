"""Every block of code in README.md and docs/ runs, or says above it why it cannot.

Blocks of a page run in their order in one copy of the finished preset tiny, whose names stand in for the demo's.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cytopipe.core.params import parse_params
from cytopipe.data.imaging.decode import read_rgb
from engine_projects import Finished, Project
from made_slides import write_aperio
from markdown_blocks import A_FILE, PROSE, Block, blocks

ROOT = Path(__file__).resolve().parents[2]
PAGES = [Path("README.md"), *sorted(path.relative_to(ROOT) for path in (ROOT / "docs").glob("*.md"))]
RUNNABLE = frozenset({"bash", "python", "yaml"})

# The demo's names, and what the preset tiny has in their place.
NAMES = {
    "attention-masks": "masks",
    "attention-rgb": "resnet-rgb",
    "densenet-attention": "resnet-masked",
    "cervix": "tiny",
}
# A run on images of one's own is long enough with one epoch; tiny's own trainings have other numbers of epochs.
SHORTER = ("make repro", "sed -i 's/epochs: 30/epochs: 1/; s/audit: quick/audit: off/' params.yaml\nmake repro")
CELLS = 3


def in_tiny(code: str) -> str:
    """Code with tiny's names in place of the demo's."""
    for name, stand_in in NAMES.items():
        code = re.sub(rf"\b{name}\b", stand_in, code)
    return code


def page_blocks(page: Path) -> list[Block]:
    return list(blocks((ROOT / page).read_text(encoding="utf-8")))


def must_run(page: Path, *languages: str) -> list[Block]:
    return [block for block in page_blocks(page) if block.reason is None and block.language in languages]


def run(project: Project, block: Block, page: Path) -> None:
    """Run a block as somebody would who copies it into a shell or into a file."""
    code = in_tiny(block.code)
    if block.language == "bash":
        command = ["bash", "-euo", "pipefail", "-c", code.replace(*SHORTER)]
    else:
        command = [sys.executable, "-c", code]
    print(f"{page}:{block.line}")
    print(project.run(*command))


def prepare(project: Project) -> None:
    """Put the files that the pages speak of into the project: images of cells, a field, an environment to activate."""
    folder = project.folder
    images = sorted((folder / "data/organized/tiny/test").glob("*/*.png"))
    field = next(
        path for path in sorted((folder / "data/raw/tiny/files").rglob("*.bmp")) if path.parent.name[:2] == "im"
    )
    (folder / "cells").mkdir()
    for image in images[:CELLS]:
        shutil.copy(image, folder / "cells")
    shutil.copy(images[0], folder / "cell.png")
    shutil.copy(field, folder / "field.bmp")
    write_aperio(folder / "smear.svs", read_rgb(field)[0], factors=(1, 2))
    rows = ["image", *(f"cells/{image.name}" for image in images[:CELLS])]
    (folder / "cells.csv").write_text("\n".join(rows) + "\n")
    own_images(folder / "my_cells", folder / "data/organized/tiny")
    environment = folder / ".venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin/activate").touch()
    (environment / ".ready").touch()  # the Makefile makes no environment: this one has all packages


def own_images(target: Path, organized: Path) -> None:
    """A folder as the tutorial shows it: two classes, five patients with cells of both."""
    (target / "images").mkdir(parents=True)
    classes = sorted({path.parent.name for path in organized.glob("*/*/*.png") if path.parent.parent.name != "masks"})[
        :2
    ]
    rows = ["image,label,patient"]
    for label, name in zip(("normal", "abnormal"), classes, strict=True):
        for index, image in enumerate(sorted(organized.glob(f"*/{name}/*.png"))[:10]):
            shutil.copy(image, target / f"images/{label}_{index}.png")
            rows.append(f"{label}_{index}.png,{label},P{index % 5}")
    (target / "labels.csv").write_text("\n".join(rows) + "\n")


@pytest.mark.pipeline
@pytest.mark.parametrize("page", [page for page in PAGES if must_run(page, "bash", "python")], ids=str)
def test_the_code_of_a_page_runs(page: Path, finished: Finished, tmp_path: Path) -> None:
    project = finished.dvc.copy(tmp_path / "project")
    prepare(project)
    for block in must_run(page, "bash", "python"):
        run(project, block, page)


@pytest.mark.parametrize(
    ("page", "block"),
    [pytest.param(page, block, id=f"{page}:{block.line}") for page in PAGES for block in must_run(page, "yaml")],
)
def test_yaml_is_a_part_of_valid_parameters(page: Path, block: Block) -> None:
    params: dict[str, Any] = yaml.safe_load((ROOT / "workflow/presets/tiny.yaml").read_text(encoding="utf-8"))
    for section, entries in yaml.safe_load(in_tiny(block.code)).items():
        params[section] = params.get(section, {}) | entries
    parsed = parse_params(params, f"{page}:{block.line}")
    assert parsed.model_dump(include={"datasets", "classifiers"})


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_block_runs_or_says_why_it_does_not(page: Path) -> None:
    languages = {block.language for block in page_blocks(page)}
    assert languages <= RUNNABLE | PROSE, "name a language that is run, or `text`"
    for block in page_blocks(page):
        assert block.reason is None or block.language in RUNNABLE, f"{page}:{block.line}: nobody would run it anyway"


def test_only_the_worked_examples_have_titles() -> None:
    """Blocks with a title are files, and tests/unit/test_extending.py follows those of one page."""
    titled = {page.name for page in PAGES for block in page_blocks(page) if block.reason == A_FILE}
    assert titled <= {"architecture.md"}


def test_blocks_are_found_with_their_reasons() -> None:
    page = (
        "a\n\n```bash\nls\n```\n\n<!-- not run: needs a GPU -->\n```python\nx = 1\n```\n\n"
        "1. step\n\n    ```python\n    if x:\n        y\n    ```\n\n```\nplain\n```\n"
    )
    assert list(blocks(page)) == [
        Block(3, "bash", "ls\n", None),
        Block(8, "python", "x = 1\n", "needs a GPU"),
        Block(14, "python", "if x:\n    y\n", None),
        Block(19, "", "plain\n", None),
    ]


def test_a_comment_without_a_reason_excuses_nothing() -> None:
    assert [block.reason for block in blocks("<!-- not run: -->\n```bash\nls\n```\n")] == [None]
