"""Answers as HTML: headings, tables and pictures with their words, so that they can be heard as well as seen."""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cytopipe.app.catalog import Shelved
from cytopipe.app.cell import CellAnswer
from cytopipe.app.field import FieldAnswer
from cytopipe.errors import CytopipeError
from cytopipe.explain.attribution import BLACK, GRAD_CAM
from cytopipe.imaging.decode import encode_png
from cytopipe.imaging.drawing import REGION_COLOURS
from cytopipe.io.tables import plain
from cytopipe.report.render import percent

logger = logging.getLogger("cytopipe")
METHODS = {BLACK: "Integrated gradients", GRAD_CAM: "Grad-CAM"}
IMAGE_HINT = "send one image, as PNG, JPEG, TIFF, BMP or WebP"
TEMPLATES = Path(__file__).parent / "templates"


def data_uri(picture: np.ndarray) -> str:
    """H x W x 3 uint8 as a picture inside the page."""
    return "data:image/png;base64," + base64.b64encode(encode_png(picture)).decode()


_environment = Environment(
    loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_environment.filters["percent"] = percent
_environment.filters["data_uri"] = data_uri


def cell(answer: CellAnswer, name: str, method: str | None) -> str:
    """The answer to one image of a cell, in a file of this name."""
    written = [plain(float(value)) for value in answer.prediction.probabilities]
    rows = list(zip(answer.spec.classes, answer.calibrated, written, strict=True))
    return _environment.get_template("cell.html").render(
        answer=answer,
        name=name,
        rows=sorted(rows, key=lambda row: -row[1]),
        method=METHODS[method] if method else None,
        regions={name: REGION_COLOURS[name] for name in ("nucleus", "cytoplasm")},
    )


def field(answer: FieldAnswer, name: str, detector: str) -> str:
    """The answer to the image of a field, in a file of this name; its files are served by gradio."""
    files = {suffix: f"gradio_api/file={quote(str(path))}" for suffix, path in answer.files.items()}
    template = _environment.get_template("field.html")
    return template.render(answer=answer, files=files, name=name, detector=detector)


def invitation(what: str) -> str:
    """What stands in place of an answer while there is none."""
    return _environment.get_template("message.html").render(kind="empty", what=what, where=None, hint=None)


def fault(error: Exception, file: Path | None = None) -> str:
    """A message about what went wrong; of an image that was sent, the name alone, not its place on this machine."""
    if not isinstance(error, CytopipeError):
        logger.error("the page met an unforeseen error", exc_info=error)
        error = CytopipeError(
            f"something went wrong inside cytopipe ({type(error).__name__}: {error})",
            hint="the terminal where the page was started shows the details",
        )
    where = None if error.where is None else str(error.where)
    hint = error.hint
    if file is not None and where == str(file):
        where, hint = file.name, IMAGE_HINT
    return _environment.get_template("message.html").render(kind="fault", what=error.what, where=where, hint=hint)


def header() -> str:
    """The top of the page."""
    return _environment.get_template("header.html").render()


def footer() -> str:
    """The bottom of the page."""
    return _environment.get_template("footer.html").render()


def about(model: Shelved) -> str:
    """One line about a classifier."""
    return _environment.get_template("about.html").render(spec=model.spec)


def samples(tab: str, title: str, pictures: Sequence[tuple[np.ndarray, str]], wide: bool = False) -> str:
    """Pictures, H x W x 3 uint8, with their words, to press; nothing where there is none."""
    template = _environment.get_template("samples.html")
    return template.render(samples=pictures, title=title, id=f"{tab}-samples-title", wide=wide)
