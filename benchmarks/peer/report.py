"""What a peer leaves: predicted classes by image, the number of images that it trained on, and how long."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def write_classes(out: Path, classes: Mapping[str, str], seen: int, seconds: float) -> None:
    """Write OUT/classes.json, predicted class by id of the image, and OUT/seen.json."""
    (out / "classes.json").write_text(json.dumps(dict(classes)))
    write_seen(out, seen, seconds)


def write_seen(out: Path, seen: int, seconds: float) -> None:
    """Write OUT/seen.json: images seen in training, counting repeats, and the seconds of training."""
    (out / "seen.json").write_text(json.dumps({"images": seen, "seconds": seconds}))
