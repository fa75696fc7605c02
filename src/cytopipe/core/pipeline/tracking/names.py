"""Names and values of parameters, metrics and tags in the form that MLflow accepts."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from pathlib import PurePath

# MLflow allows 250 characters in a key, 6,000 in a parameter and 8,000 in a tag since 2.8;
# earlier servers refuse parameters over 500 and tags over 5,000.
MAX_KEY = 250
MAX_PARAM = 500
MAX_TAG = 5000


def flatten(params: Mapping[str, object]) -> dict[str, str]:
    """Flatten nested parameters to dotted keys and values as text of at most `MAX_PARAM` characters.

    Strings stay as they are; everything else becomes JSON: `true`, `null`, `0.001`, `["cell", "nucleus"]`.
    """
    flat: dict[str, str] = {}
    for key, value in params.items():
        if isinstance(value, Mapping) and value:
            flat |= {safe_name(f"{key}.{name}"): text for name, text in flatten(value).items()}
        else:
            flat[safe_name(str(key))] = shorten(_text(value), MAX_PARAM)
    return flat


def safe_name(name: str) -> str:
    """A key that MLflow accepts: a normalised relative path, with invalid characters replaced by `_`."""
    allowed = re.sub(r"[^\w.\- :/]", "_", name)
    normal = posixpath.normpath(allowed).lstrip("./")
    return shorten(normal or "_", MAX_KEY)


def shorten(text: str, limit: int) -> str:
    """Cut a text to at most `limit` characters by leaving out its middle."""
    if len(text) <= limit:
        return text
    head = (limit - 3) // 2
    return f"{text[:head]}...{text[head + 3 - limit :]}"


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | PurePath) else json.dumps(value, default=str)
