"""The web interface: its components and their event handlers. `cell` and `field` compute the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

import gradio as gr
import numpy as np

from cytopipe.app import render
from cytopipe.app.catalog import CatalogEntry
from cytopipe.app.cell import scaled
from cytopipe.app.detectors import DetectorChoice, default_detector
from cytopipe.app.project import Project
from cytopipe.app.worker import Worker
from cytopipe.data.imaging.decode import read_rgb
from cytopipe.data.imaging.fields import open_field
from cytopipe.errors import CytopipeError
from cytopipe.explain.attribution import BLACK

TITLE = "cytopipe"
KEEP_SECONDS = 3600  # uploads are deleted after this time, and when the app stops
HEAT_MAPS = [*((name, method) for method, name in render.METHODS.items()), ("None", "")]
DROP_CELL = "Drop the image of one cell, or choose one of the samples: the result appears here"
DROP_FIELD = "Drop the image of a whole field, or choose one of the samples: its cells appear here"
CELL_SAMPLES = "Or choose a sample: validation images of each class"
FIELD_SAMPLES = "Or choose a sample: test fields of the project"
THUMBNAIL = 240  # longer side, pixels
# A click on a sample sends its index.
ON_CLICK = """element.addEventListener("click", (event) => {
  const pressed = event.target.closest("button[data-index]");
  if (!pressed) return;
  for (const one of element.querySelectorAll("button")) one.ariaPressed = String(one === pressed);
  trigger("click", { index: Number(pressed.dataset.index) });
});"""


class _Immediate(TypedDict):
    """Options of an event handler that takes no time, so that it never waits for a computation."""

    queue: bool
    api_visibility: Literal["private"]
    show_progress: Literal["hidden"]


class _Queued(TypedDict):
    """Options of an event handler that computes: one at a time."""

    concurrency_id: str
    concurrency_limit: int
    api_visibility: Literal["private"]


IMMEDIATE = _Immediate(queue=False, api_visibility="private", show_progress="hidden")
QUEUED = _Queued(concurrency_id="worker", concurrency_limit=1, api_visibility="private")


@dataclass
class Interface:
    """Builds the interface.

    Args:
        catalog: the classifiers to select from, at least one.
        worker: runs the models.
        detectors: the cell detectors to select from.
        project: the project in the current folder.
    """

    catalog: Sequence[CatalogEntry]
    worker: Worker
    detectors: Sequence[DetectorChoice]
    project: Project

    def __post_init__(self) -> None:
        self.fields = self.project.fields()

    def build(self) -> gr.Blocks:
        """The interface, not yet served."""
        blocks = gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(60, KEEP_SECONDS))
        with blocks:
            _html(render.header(), "top")
            model = gr.Dropdown(
                [(one.name, one.name) for one in self.catalog],
                value=self.catalog[0].name,
                label="Classifier",
                filterable=False,
                elem_id="model",
            )
            about = _html(render.about(self.catalog[0]), "about")
            tab = gr.State("cell")
            with gr.Tabs(elem_id="tabs"):
                with gr.Tab("Cell", id="cell") as cells:
                    self._cell_tab(model)
                with gr.Tab("Field", id="field") as fields:
                    self._field_tab(model, tab)
            cells.select(lambda: "cell", None, tab, **IMMEDIATE)
            fields.select(lambda: "field", None, tab, **IMMEDIATE)
            _html(render.footer(), "foot")
            model.change(lambda name: render.about(self._entry(name)), model, about, **IMMEDIATE)
        return blocks

    def _cell_tab(self, model: gr.Dropdown) -> None:
        image = gr.State(None)
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=2, min_width=280):
                file = gr.File(label="Image of one cell", type="filepath", height=150, elem_id="cell-file")
                samples = _html(self._samples(self.catalog[0].name), "cell-samples", js_on_load=ON_CLICK)
                method = gr.Radio(HEAT_MAPS, value=BLACK, label="Heat map", elem_id="cell-heat")
            with gr.Column(scale=3, min_width=280):
                result = _html(render.placeholder(DROP_CELL), "cell-answer", elem_classes="live")

        inputs = [model, image, method]
        for event in (
            file.upload(lambda path: (path, None), file, [image, file], **IMMEDIATE),
            samples.click(self._sample, model, image, **IMMEDIATE),
            model.change(self._samples, model, samples, **IMMEDIATE),
        ):
            event.then(self._classify, inputs, result, **QUEUED)
        method.change(self._classify, inputs, result, **QUEUED)

    def _classify(self, name: str, path: str | None, method: str) -> str:
        if path is None:
            return render.placeholder(DROP_CELL)
        file = Path(path)
        try:
            result = self.worker.classify(self._entry(name).folder, method or None, file)
            return render.cell(result, file.name, method or None)
        except Exception as error:
            return render.error_message(error, file)

    def _field_tab(self, model: gr.Dropdown, tab: gr.State) -> None:
        image = gr.State(None)
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=2, min_width=280):
                file = gr.File(label="Image of a whole field", type="filepath", height=150, elem_id="field-file")
                pictures = [(thumbnail(path), caption) for path, caption in self.fields]
                samples = _html(
                    render.samples("field", FIELD_SAMPLES, pictures, wide=True), "field-samples", js_on_load=ON_CLICK
                )
                detector = gr.Dropdown(
                    [one.name for one in self.detectors],
                    value=self._default_detector(self.catalog[0].name),
                    label="Cell detector",
                    filterable=False,
                    elem_id="detector",
                )
            with gr.Column(scale=3, min_width=280):
                result = _html(render.placeholder(DROP_FIELD), "field-answer", elem_classes="live")

        inputs = [model, detector, image]
        for event in (
            file.upload(lambda path: (path, None), file, [image, file], **IMMEDIATE),
            samples.click(self._field_sample, None, image, **IMMEDIATE),
        ):
            event.then(self._screen, inputs, result, **QUEUED)
        model.change(self._default_detector, model, detector, **IMMEDIATE).then(
            self._screen_again, [tab, *inputs], [image, result], **QUEUED
        )
        detector.input(self._screen, inputs, result, **QUEUED)

    def _screen(self, name: str, detector: str | None, path: str | None) -> str:
        if path is None:
            return render.placeholder(DROP_FIELD)
        file = Path(path)
        try:
            choice = next((one for one in self.detectors if one.name == detector), None)
            if choice is None:
                raise CytopipeError("there is no cell detector", hint="start the app with --segmenter DIR")
            return render.field(self.worker.screen(self._entry(name).folder, choice, file), file.stem, choice.name)
        except Exception as error:
            return render.error_message(error, file)

    def _screen_again(self, tab: str, name: str, detector: str | None, path: str | None) -> tuple[str | None, str]:
        """After a change of classifier; the field is dropped instead while its tab is hidden, to save time."""
        path = path if tab == "field" else None
        return path, self._screen(name, detector, path)

    def _default_detector(self, name: str) -> str | None:
        choice = default_detector(self._entry(name), self.detectors, self.project)
        return choice.name if choice else None

    def _samples(self, name: str) -> str:
        pictures = [(read_rgb(path)[0], label) for path, label in self._entry(name).examples]
        return render.samples("cell", CELL_SAMPLES, pictures)

    def _sample(self, name: str, event: gr.EventData) -> str:
        path, _ = self._entry(name).examples[event.index]
        return str(path)

    def _field_sample(self, event: gr.EventData) -> str:
        return str(self.fields[event.index][0])

    def _entry(self, name: str) -> CatalogEntry:
        return next(one for one in self.catalog if one.name == name)


def thumbnail(path: Path) -> np.ndarray:
    """A field of any size as an H x W x 3 uint8 picture of THUMBNAIL pixels."""
    with open_field(path) as field:
        return scaled(field.shrunk(max(1, max(field.height, field.width) // (2 * THUMBNAIL))), THUMBNAIL)


def _html(value: str, id_: str, *, elem_classes: str | None = None, js_on_load: str | None = None) -> gr.HTML:
    """HTML from one of our templates, styled by app.css alone."""
    return gr.HTML(value, elem_id=id_, elem_classes=elem_classes, js_on_load=js_on_load, apply_default_css=False)
