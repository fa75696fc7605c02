"""The lock file: every package pinned with hashes, and none from elsewhere than the index."""

from __future__ import annotations

import re
from pathlib import Path


def test_every_package_is_pinned_with_its_hashes(root: Path) -> None:
    text = (root / "requirements.lock").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) > 50
    for line in lines:
        assert re.match(r"[A-Za-z0-9._-]+(\[[\w,-]+\])?==[\w.!+-]+(\s*;[^#]*?)?\s+--hash=sha256:[0-9a-f]{64}", line), (
            line[:80]
        )
        assert "://" not in line.partition("#")[0], line[:80]
