"""Whether two machines are promised to write the same bytes."""

from __future__ import annotations

from collections.abc import Iterable

from cytopipe.core.pipeline.machine import COMPUTING, Machine

WITHOUT_EFFECT = frozenset({"processor", "cores", "system"})  # their features and caches have one, not their names


def broken_promise(here: Machine, there: Machine | None) -> str:
    """Why the same bytes are not promised; empty if they are.

    Args:
        here: the machine that made the outputs.
        there: the machine of the record; None if it is unknown, which is then taken to be portable and equal in all
            that this machine has to fulfil.
    """
    other = here.differences(there) if there else {}
    if named := [name for name in other if name in (*COMPUTING, "threads", "gpu")]:
        return f"other {_listed(named)} than the record"
    if _minor(here.python) != _minor(there.python if there else here.python):
        return "another Python than the record"
    if here.gpu:
        return "" if there and not _effective(other) else "a GPU was used"
    if here.cpu == "portable" and (there is None or there.cpu == "portable"):
        machines = [here] if there is None else [here, there]
        return "" if all(one.is_portable for one in machines) else "not x86-64 with AVX2"
    if there is None:
        return "runtime.cpu is native and the record does not name its machine"
    return "runtime.cpu is native and the machine another one" if _effective(other) else ""


def _effective(names: Iterable[str]) -> set[str]:
    return set(names) - WITHOUT_EFFECT


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def _listed(names: list[str], most: int = 3) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
