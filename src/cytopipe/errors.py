"""The one error type that a user is meant to read."""

from __future__ import annotations

from pathlib import Path


class CytopipeError(Exception):
    """A fault of the input or the set-up: says what is wrong, where, and what to do.

    Stages and commands print it without a traceback and exit with status 1.

    Args:
        what: the fault, in one sentence.
        where: file, `file:line` or parameter key that holds it.
        hint: what to do about it.
    """

    def __init__(self, what: str, *, where: str | Path | None = None, hint: str | None = None) -> None:
        self.what, self.where, self.hint = what, where, hint
        text = what if where is None else f"{where}: {what}"
        super().__init__(text if hint is None else f"{text}\n  -> {hint}")


class OptionError(CytopipeError):
    """A fault of the options, which all files share: `bad_images: skip` leaves no file out for it."""
