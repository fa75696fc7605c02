"""What `cytopipe screen` prints: counts of fields and classes, as JSON or as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cytopipe.cli.common import print_json, print_table

if TYPE_CHECKING:
    from cytopipe.screening.outputs import Tally


def summary(tally: Tally) -> dict[str, Any]:
    """Counts in JSON types."""
    unlike = {} if tally.unlike is None else {"unlike_training": tally.unlike}
    counts = {"uncertain": tally.uncertain, **unlike, "cut": tally.cut}
    return {"cells": tally.cells, "classes": dict(tally.classes), **counts}


def show(results: list[dict[str, Any]], total: Tally, as_json: bool, count: bool) -> None:
    """Print the results of the fields, one each, and the counts over all."""
    read = [result for result in results if "error" not in result]
    unreadable = len(results) - len(read)
    if as_json:
        whole = {"fields": len(read), "unreadable": unreadable, **summary(total)}
        seconds = round(sum(result["seconds"] for result in read), 3)
        print_json(whole if count else {**whole, "seconds": seconds, "results": results})
        return
    if not count:
        header = ("field", "cells", "uncertain", "cut", "seconds")
        rows = [[r["name"], *(f"{r[key]:,}" for key in header[1:4]), f"{r['seconds']:.1f}"] for r in read]
        print_table(header, rows, right=header[1:])
        print()
    rows = [[name, f"{number:,}"] for name, number in total.classes.items()]
    rows += [["(uncertain, of these)", f"{total.uncertain:,}"]]
    rows += [] if total.unlike is None else [["(unlike the training images)", f"{total.unlike:,}"]]
    rows += [["(cut by an edge)", f"{total.cut:,}"]]
    print_table(("class", "cells"), [*rows, ["(unreadable fields)", f"{unreadable:,}"]], right=("cells",))
