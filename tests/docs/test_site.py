"""The documentation builds without a warning, and every link of the repository's pages leads somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
AROUND = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES = [*AROUND, *sorted((ROOT / "docs").glob("*.md"))]
GENERATED = "reference/"
LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
MOST_LINES = 150


def anchor(heading: str) -> str:
    """The anchor that GitHub and MkDocs give a heading."""
    return re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def anchors(page: Path) -> set[str]:
    text = CODE.sub(lambda found: found[0].strip("`") if "\n" not in found[0] else "", page.read_text(encoding="utf-8"))
    return {anchor(line.lstrip("#")) for line in text.splitlines() if re.match(r"#+ ", line)}


def broken(page: Path) -> list[str]:
    """Relative links of a page that lead to no file or no heading."""
    faults = []
    for found in LINK.finditer(CODE.sub("", page.read_text(encoding="utf-8"))):
        path, _, heading = found["target"].partition("#")
        if "://" in path or path.startswith(GENERATED):  # MkDocs checks those that it generates
            continue
        target = page.parent / path if path else page
        if not target.exists() or (heading and heading not in anchors(target)):
            faults.append(found["target"])
    return faults


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# One `code` title\n\n```bash\n# no heading\n```\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md#one-code-title) [b](none.md) [c](other.md#no-heading) `[d](none.md)` [e](https://x)\n"
    )
    assert broken(page) == ["none.md", "other.md#no-heading"]


def test_every_picture_is_shown() -> None:
    shown = {Path(found["target"]).name for page in PAGES for found in LINK.finditer(page.read_text(encoding="utf-8"))}
    assert {path.name for path in (ROOT / "docs/images").iterdir()} <= shown


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    # Not --quiet, which hides warnings from --strict too.
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", site],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    reference = site / "reference"
    assert "fields_per_class" in (reference / "params.html").read_text(encoding="utf-8")
    assert "--overlay" in (reference / "commands.html").read_text(encoding="utf-8")
    assert "mcnemar" in (reference / "library/metrics.html").read_text(encoding="utf-8")
