"""requirements.lock: the exact version of every package."""

from __future__ import annotations

import re
from pathlib import Path

LOCK = Path("requirements.lock")
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)", re.MULTILINE)


def read_lock(path: Path) -> dict[str, str]:
    """Versions by package; of a package that is pinned for several platforms, the first."""
    found: dict[str, str] = {}
    for pin in _PIN.finditer(path.read_text(encoding="utf-8")):
        found.setdefault(pin["name"], pin["version"])
    return found
