"""OverlayFolder of predictions in a folder, each with a note of what it shows, so that a later run knows it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL.PngImagePlugin import PngInfo

from cytopipe.errors import CytopipeError
from cytopipe.explain.explainer import Explainer
from cytopipe.explain.overlay import overlay, overlay_names
from cytopipe.imaging.decode import opened, read_rgb
from cytopipe.inference.predictor import Prediction, Predictor
from cytopipe.io.atomic import write_bytes

_KEY = "cytopipe"  # of the text in a PNG that says what it shows


class OverlayFolder:
    """Writes `<name>.png` of every image.

    Args:
        folder: for the pictures; made if need be.
        images: all of them, for names that differ.
        predictor: of the classifier.
        model: its identity.
        device: where it is.
        explain: whether heat maps go beside.
    """

    def __init__(
        self,
        folder: Path,
        images: Sequence[str],
        predictor: Predictor,
        model: str,
        device: torch.device,
        explain: bool,
    ) -> None:
        self.folder, self.predictor, self.model = folder, predictor, model
        self.names = overlay_names(images)
        self.explainer = Explainer(predictor, device) if explain else None

    def has(self, image: str, sha256: str) -> bool:
        """Whether the picture of this very image, model and kind is there."""
        path = self.folder / self.names[image]
        if not path.is_file():
            return False
        try:
            with opened(path) as picture:
                return picture.info.get(_KEY) == self._note(image, sha256)
        except CytopipeError:
            return False

    def draw(self, image: str, sha256: str, prediction: Prediction) -> None:
        """Write the picture of an image, whole or not at all."""
        maps = self.explainer(prediction) if self.explainer else {}
        pixels, _ = read_rgb(Path(image))  # anew: a batch of large images would fill the memory
        sheet = overlay(pixels, prediction, self.predictor.classes, maps, Path(image).name)
        note = PngInfo()
        note.add_text(_KEY, self._note(image, sha256))
        data = io.BytesIO()
        sheet.save(data, format="PNG", pnginfo=note)
        write_bytes(self.folder / self.names[image], data.getvalue())

    def _note(self, image: str, sha256: str) -> str:
        methods = self.explainer.methods if self.explainer else []
        return " ".join(["model", self.model, "image", sha256, *methods])
