"""Results as accessible HTML: headings, tables, and pictures with alternative text."""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cytopipe.app.catalog import CatalogEntry
from cytopipe.app.cell import CellResult
from cytopipe.app.field import FieldResult
from cytopipe.core.io.tables import plain
from cytopipe.data.imaging.decode import encode_png
from cytopipe.data.imaging.drawing import REGION_COLOURS
from cytopipe.errors import CytopipeError
from cytopipe.explain.attribution import BLACK, GRAD_CAM
from cytopipe.report.render import percent

logger = logging.getLogger("cytopipe")
METHODS = {BLACK: "Integrated gradients", GRAD_CAM: "Grad-CAM"}
IMAGE_HINT = "send one image, as PNG, JPEG, TIFF, BMP or WebP"
TEMPLATES = Path(__file__).parent / "templates"


def data_uri(picture: np.ndarray) -> str:
    """An H x W x 3 uint8 picture as a data URI."""
    return "data:image/png;base64," + base64.b64encode(encode_png(picture)).decode()


_environment = Environment(
    loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_environment.filters["percent"] = percent
_environment.filters["data_uri"] = data_uri


def cell(result: CellResult, name: str, method: str | None) -> str:
    """The result for the image of one cell.

    Args:
        result: to render.
        name: file name of the image.
        method: of the heat map, a key of `METHODS`, or None.
    """
    written = [plain(float(value)) for value in result.prediction.probabilities]
    rows = list(zip(result.spec.classes, result.calibrated, written, strict=True))
    return _environment.get_template("cell.html").render(
        result=result,
        name=name,
        rows=sorted(rows, key=lambda row: -row[1]),
        method=METHODS[method] if method else None,
        regions={name: REGION_COLOURS[name] for name in ("nucleus", "cytoplasm")},
    )


def field(result: FieldResult, name: str, detector: str) -> str:
    """The result for a field; gradio serves its files.

    Args:
        result: to render.
        name: of the field, without a suffix.
        detector: display name of the detector.
    """
    files = {suffix: f"gradio_api/file={quote(str(path))}" for suffix, path in result.files.items()}
    template = _environment.get_template("field.html")
    return template.render(result=result, files=files, name=name, detector=detector)


def placeholder(what: str) -> str:
    """A message in place of a result that does not exist yet."""
    return _environment.get_template("message.html").render(kind="empty", what=what, where=None, hint=None)


def error_message(error: Exception, file: Path | None = None) -> str:
    """An error message; it names an uploaded file without its location on this machine."""
    if not isinstance(error, CytopipeError):
        logger.error("unexpected error in the app", exc_info=error)
        error = CytopipeError(
            f"unexpected error in cytopipe ({type(error).__name__}: {error})",
            hint="the terminal in which the app was started shows the details",
        )
    where = None if error.where is None else str(error.where)
    hint = error.hint
    if file is not None and where == str(file):
        where, hint = file.name, IMAGE_HINT
    return _environment.get_template("message.html").render(kind="error", what=error.what, where=where, hint=hint)


def header() -> str:
    """Header of the app."""
    return _environment.get_template("header.html").render()


def footer() -> str:
    """Footer of the app."""
    return _environment.get_template("footer.html").render()


def about(model: CatalogEntry) -> str:
    """One-line description of a classifier."""
    return _environment.get_template("about.html").render(spec=model.spec, ensemble=model.ensemble)


def samples(tab: str, title: str, pictures: Sequence[tuple[np.ndarray, str]], wide: bool = False) -> str:
    """Clickable sample images; empty if there are none.

    Args:
        tab: name of the tab, "cell" or "field".
        title: heading above the samples.
        pictures: H x W x 3 uint8 pictures with their captions.
        wide: lay them out for landscape pictures.
    """
    template = _environment.get_template("samples.html")
    return template.render(samples=pictures, title=title, id=f"{tab}-samples-title", wide=wide)
