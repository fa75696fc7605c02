"""The fenced blocks of a Markdown page, and whether each may stay unrun."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

PROSE = frozenset({"text", "mermaid"})  # languages of what nobody runs
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\S*)(?P<about>[^\n]*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
A_FILE = "a file with a title, which tests/unit/test_extending.py puts in its place"
REASON = re.compile(r"<!-- not run: (?P<reason>[^>]+\S) -->\n\Z")


@dataclass(frozen=True)
class Block:
    """A fenced block of code.

    Attributes:
        line: of its fence, from 1.
        language: as the fence names it; empty where it names none.
        code: without the indentation of the fence.
        reason: why it cannot run; None where it must.
    """

    line: int
    language: str
    code: str
    reason: str | None


def blocks(page: str) -> Iterator[Block]:
    """All fenced blocks of a page, in its order."""
    for found in FENCE.finditer(page):
        comment = REASON.search(page[: found.start()])
        yield Block(
            line=page.count("\n", 0, found.start()) + 1,
            language=found["language"],
            code=textwrap.dedent(found["body"]),
            reason=comment["reason"] if comment else A_FILE if "title=" in found["about"] else None,
        )
