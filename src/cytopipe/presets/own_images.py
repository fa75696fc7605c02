"""The preset own-images with the options that fit a folder."""

from __future__ import annotations

from pathlib import Path

from cytopipe.inspection.seen import Fit
from cytopipe.presets.edit import with_key

OWN_IMAGES = "own-images"
_DATASET = "mine"


def look_for_fit(archive: Path) -> Fit:
    """The options that fit a folder or an archive.

    Raises:
        CytopipeError: as `cytopipe.inspection.look.look`.
    """
    from cytopipe.inspection.look import look  # decodes images: heavy libraries

    return look(archive).fit


def with_fit(text: str, fit: Fit) -> str:
    """The text of the preset own-images with the options and the split of `fit`, and why they were chosen."""
    from cytopipe.inspection.write_options import options_as_yaml, split_as_yaml

    text = with_key(text, _DATASET, "options", options_as_yaml(fit))
    return with_key(text, _DATASET, "split", split_as_yaml(fit))
