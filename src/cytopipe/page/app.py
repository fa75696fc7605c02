"""The page itself: what is on it and what happens on it. Every answer comes from `cell` and `field`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from cytopipe.explain.attribution import BLACK
from cytopipe.images import read_rgb
from cytopipe.page import cell, render
from cytopipe.page.desk import Desk
from cytopipe.page.shelf import Shelved

TITLE = "cytopipe"
KEEP_SECONDS = 3600  # an image that was sent is removed after this time, or when the page is ended
HEAT_MAPS = [*((name, method) for method, name in render.METHODS.items()), ("None", "")]
DROP_CELL = "Drop the image of one cell, or pick one of the samples: the answer appears here"
SAMPLES = "Or pick a sample: validation images of each class"
# A press on one of the samples tells its place.
PRESS = """element.addEventListener("click", (event) => {
  const pressed = event.target.closest("button[data-place]");
  if (!pressed) return;
  for (const one of element.querySelectorAll("button")) one.ariaPressed = String(one === pressed);
  trigger("click", { place: Number(pressed.dataset.place) });
});"""
ONE_AT_A_TIME = {"concurrency_id": "desk", "concurrency_limit": 1, "api_visibility": "private"}


@dataclass
class Page:
    """Builds the page for these classifiers; the desk answers."""

    shelf: Sequence[Shelved]
    desk: Desk

    def build(self) -> gr.Blocks:
        """The page, not yet served."""
        with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(60, KEEP_SECONDS)) as blocks:
            _html(render.header(), "top")
            model = gr.Dropdown(
                [(one.name, one.name) for one in self.shelf],
                value=self.shelf[0].name,
                label="Classifier",
                filterable=False,
                elem_id="model",
            )
            about = _html(render.about(self.shelf[0]), "about")
            with gr.Tabs(elem_id="tabs"), gr.Tab("Cell", id="cell"):
                self._cell_tab(model)
            _html(render.footer(), "foot")
            model.change(lambda name: render.about(self._named(name)), model, about, **_free(), show_progress="hidden")
        return blocks

    def _cell_tab(self, model: gr.Dropdown) -> None:
        chosen = gr.State(None)
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=2, min_width=280):
                file = gr.File(label="Image of one cell", type="filepath", height=150, elem_id="cell-file")
                samples = _html(self._samples(self.shelf[0].name), "cell-samples", js_on_load=PRESS)
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
            found = self.desk.ask(
                self._named(name).folder, lambda predictor: cell.answer(predictor, file, method or None)
            )
            return render.cell(found, file.name, method or None)
        except Exception as error:
            return render.fault(error, file)

    def _samples(self, name: str) -> str:
        return render.samples(
            "cell", SAMPLES, [(read_rgb(path)[0], label) for path, label in self._named(name).examples]
        )

    def _pick(self, name: str, event: gr.EventData) -> str:
        path, _ = self._named(name).examples[event.place]
        return str(path)

    def _named(self, name: str) -> Shelved:
        return next(one for one in self.shelf if one.name == name)


def _html(value: str, id_: str, **more: Any) -> gr.HTML:
    """HTML of our own templates, with our own style."""
    return gr.HTML(value, elem_id=id_, apply_default_css=False, **more)


def _free() -> dict[str, Any]:
    """For what is done at once, and never waits for an answer that is being computed."""
    return {"queue": False, "api_visibility": "private"}
