"""Names of text encodings in params.yaml and recipes."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


def _known(name: str) -> str:
    try:
        "".encode(name)
    except (LookupError, ValueError):
        raise PydanticCustomError(
            "encoding",
            "there is no encoding of text '{name}'; usual ones are gbk, cp932, cp949, cp437, cp850",
            {"name": name},
        ) from None
    return name


Encoding = Annotated[str, AfterValidator(_known)]
