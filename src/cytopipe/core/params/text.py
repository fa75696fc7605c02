"""The text of params.yaml: YAML without duplicate keys, and messages for what people's editors make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cytopipe.core.params.yaml_text import load_yaml
from cytopipe.errors import CytopipeError


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file.

    Raises:
        CytopipeError: the file is missing, cannot be read, is no YAML, or holds no keys.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        data = load_yaml(text)
    except FileNotFoundError:
        raise CytopipeError(
            "no parameters here", where=path, hint="run in the project's root, or create it with `cytopipe preset demo`"
        ) from None
    except UnicodeDecodeError as error:
        before = path.read_bytes()[: error.start]
        raise CytopipeError(
            "this line is not UTF-8 text", where=f"{path}:{before.count(10) + 1}", hint="save the file as UTF-8"
        ) from None
    except OSError as error:
        raise CytopipeError(f"cannot be read ({error.strerror})", where=path, hint="check who owns it") from None
    except yaml.YAMLError as error:
        raise _fault(error, path, text) from None
    if not isinstance(data, dict):
        held = "the file is empty" if data is None else f"the file holds a {type(data).__name__}, not keys with values"
        raise CytopipeError(held, where=path, hint="`cytopipe preset demo` writes a complete file")
    return data


def _fault(error: yaml.YAMLError, path: Path, text: str) -> CytopipeError:
    problem = " ".join(str(getattr(error, "problem", None) or error).split())
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return CytopipeError(f"not valid YAML: {problem}", where=path, hint="remove that character")
    where = f"{path}:{mark.line + 1}"
    if "stands twice" in problem:
        return CytopipeError(f"the key {problem}", where=where, hint="keep one of them")
    line = text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""
    if "\t" in line:
        return CytopipeError("a tab, which YAML does not take", where=where, hint="indent by spaces")
    return CytopipeError(
        f"not valid YAML: {problem}",
        where=where,
        hint="look at this line and the one above: are they indented alike, and is there a space after each colon?",
    )
