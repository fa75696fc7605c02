"""The page itself: what is on it and what happens on it. Every answer comes from `cell` and `field`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from cytopipe.app import render
from cytopipe.app.catalog import Shelved
from cytopipe.app.cell import scaled
from cytopipe.app.detectors import Choice, usual
from cytopipe.app.project import Project
from cytopipe.app.worker import Worker
from cytopipe.errors import CytopipeError
from cytopipe.explain.attribution import BLACK
from cytopipe.imaging.decode import read_rgb
from cytopipe.screening.fields import open_field

TITLE = "cytopipe"
KEEP_SECONDS = 3600  # an image that was sent is removed after this time, or when the page is ended
HEAT_MAPS = [*((name, method) for method, name in render.METHODS.items()), ("None", "")]
DROP_CELL = "Drop the image of one cell, or pick one of the samples: the answer appears here"
DROP_FIELD = "Drop the image of a whole field, or pick one of the samples: its cells appear here"
FIELDS = "Or pick a sample: test fields of the project"
THUMBNAIL = 240  # pixels of the longer side
SAMPLES = "Or pick a sample: validation images of each class"
# A press on one of the samples tells its place.
PRESS = """element.addEventListener("click", (event) => {
  const pressed = event.target.closest("button[data-place]");
  if (!pressed) return;
  for (const one of element.querySelectorAll("button")) one.ariaPressed = String(one === pressed);
  trigger("click", { place: Number(pressed.dataset.place) });
});"""
ONE_AT_A_TIME = {"concurrency_id": "worker", "concurrency_limit": 1, "api_visibility": "private"}


@dataclass
class Page:
    """Builds the page for these classifiers; the worker answers."""

    catalog: Sequence[Shelved]
    worker: Worker
    detectors: Sequence[Choice]
    project: Project

    def __post_init__(self) -> None:
        self.fields = self.project.fields()

    def build(self) -> gr.Blocks:
        """The page, not yet served."""
        with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(60, KEEP_SECONDS)) as blocks:
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
            cells.select(lambda: "cell", None, tab, **_free(), show_progress="hidden")
            fields.select(lambda: "field", None, tab, **_free(), show_progress="hidden")
            _html(render.footer(), "foot")
            model.change(lambda name: render.about(self._named(name)), model, about, **_free(), show_progress="hidden")
        return blocks

    def _cell_tab(self, model: gr.Dropdown) -> None:
        chosen = gr.State(None)
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=2, min_width=280):
                file = gr.File(label="Image of one cell", type="filepath", height=150, elem_id="cell-file")
                samples = _html(self._samples(self.catalog[0].name), "cell-samples", js_on_load=PRESS)
                method = gr.Radio(HEAT_MAPS, value=BLACK, label="Heat map", elem_id="cell-heat")
            with gr.Column(scale=3, min_width=280):
                answer = _html(render.invitation(DROP_CELL), "cell-answer", elem_classes="live")

        asked = {"inputs": [model, chosen, method], "outputs": answer}
        file.upload(lambda path: (path, None), file, [chosen, file], **_free(), show_progress="hidden").then(
            self._answer_cell, **asked, **ONE_AT_A_TIME
        )
        samples.click(self._pick, model, chosen, **_free(), show_progress="hidden").then(
            self._answer_cell, **asked, **ONE_AT_A_TIME
        )
        model.change(self._samples, model, samples, **_free(), show_progress="hidden").then(
            self._answer_cell, **asked, **ONE_AT_A_TIME
        )
        method.change(self._answer_cell, **asked, **ONE_AT_A_TIME)

    def _answer_cell(self, name: str, path: str | None, method: str) -> str:
        if path is None:
            return render.invitation(DROP_CELL)
        file = Path(path)
        try:
            found = self.worker.ask(self._named(name).folder, method or None, file)
            return render.cell(found, file.name, method or None)
        except Exception as error:
            return render.fault(error, file)

    def _field_tab(self, model: gr.Dropdown, tab: gr.State) -> None:
        chosen = gr.State(None)
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=2, min_width=280):
                file = gr.File(label="Image of a whole field", type="filepath", height=150, elem_id="field-file")
                samples = _html(
                    render.samples(
                        "field", FIELDS, [(thumbnail(path), words) for path, words in self.fields], wide=True
                    ),
                    "field-samples",
                    js_on_load=PRESS,
                )
                detector = gr.Dropdown(
                    [one.name for one in self.detectors],
                    value=self._usual(self.catalog[0].name),
                    label="Cells are found by",
                    filterable=False,
                    elem_id="detector",
                )
            with gr.Column(scale=3, min_width=280):
                answer = _html(render.invitation(DROP_FIELD), "field-answer", elem_classes="live")

        asked = {"inputs": [model, detector, chosen], "outputs": answer}
        file.upload(lambda path: (path, None), file, [chosen, file], **_free(), show_progress="hidden").then(
            self._answer_field, **asked, **ONE_AT_A_TIME
        )
        samples.click(self._pick_field, None, chosen, **_free(), show_progress="hidden").then(
            self._answer_field, **asked, **ONE_AT_A_TIME
        )
        model.change(self._usual, model, detector, **_free(), show_progress="hidden").then(
            self._field_again, [tab, *asked["inputs"]], [chosen, answer], **ONE_AT_A_TIME
        )
        detector.input(self._answer_field, **asked, **ONE_AT_A_TIME)

    def _answer_field(self, name: str, detector: str | None, path: str | None) -> str:
        if path is None:
            return render.invitation(DROP_FIELD)
        file = Path(path)
        try:
            choice = next((one for one in self.detectors if one.name == detector), None)
            if choice is None:
                raise CytopipeError("there is no model that finds cells", hint="start with --segmenter DIR")
            return render.field(self.worker.screen(self._named(name).folder, choice, file), file.stem, choice.name)
        except Exception as error:
            return render.fault(error, file)

    def _field_again(self, tab: str, name: str, detector: str | None, path: str | None) -> tuple[str | None, str]:
        """With another classifier; a field that is not looked at is not worth the time."""
        path = path if tab == "field" else None
        return path, self._answer_field(name, detector, path)

    def _usual(self, name: str) -> str | None:
        choice = usual(self._named(name), self.detectors, self.project)
        return choice.name if choice else None

    def _pick_field(self, event: gr.EventData) -> str:
        return str(self.fields[event.place][0])

    def _samples(self, name: str) -> str:
        return render.samples(
            "cell", SAMPLES, [(read_rgb(path)[0], label) for path, label in self._named(name).examples]
        )

    def _pick(self, name: str, event: gr.EventData) -> str:
        path, _ = self._named(name).examples[event.place]
        return str(path)

    def _named(self, name: str) -> Shelved:
        return next(one for one in self.catalog if one.name == name)


def thumbnail(path: Path) -> np.ndarray:
    """H x W x 3 uint8 of a field of any size."""
    with open_field(path) as field:
        return scaled(field.shrunk(max(1, max(field.height, field.width) // (2 * THUMBNAIL))), THUMBNAIL)


def _html(value: str, id_: str, **more: Any) -> gr.HTML:
    """HTML of our own templates, with our own style."""
    return gr.HTML(value, elem_id=id_, apply_default_css=False, **more)


def _free() -> dict[str, Any]:
    """For what is done at once, and never waits for an answer that is being computed."""
    return {"queue": False, "api_visibility": "private"}
