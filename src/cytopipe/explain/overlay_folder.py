"""A folder of pictures of predictions; each notes what it shows, so that a later run does not draw it again."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL.PngImagePlugin import PngInfo

from cytopipe.core.io.atomic import write_bytes
from cytopipe.data.imaging.decode import read_rgb
from cytopipe.data.imaging.opening import opened
from cytopipe.errors import CytopipeError
from cytopipe.explain.explainer import Explainer
from cytopipe.explain.overlay import overlay, overlay_names
from cytopipe.models.inference.predictor import Prediction, Predictor

_KEY = "cytopipe"  # key of the text in a PNG that notes what it shows


class OverlayFolder:
    """Writes the picture `<name>.png` of every image.

    Args:
        folder: folder for the pictures, created if necessary.
        images: paths of all images, so that their names are unique.
        predictor: the classifier.
        model: identity of the classifier, for the note.
        device: the classifier's device.
        explain: whether to draw attribution maps as well.
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
        """Whether the folder has a picture of this image content by this model, with the same maps."""
        path = self.folder / self.names[image]
        if not path.is_file():
            return False
        try:
            with opened(path) as picture:
                return picture.info.get(_KEY) == self._note(image, sha256)
        except CytopipeError:
            return False

    def draw(self, image: str, sha256: str, prediction: Prediction) -> None:
        """Write the picture of an image atomically."""
        maps = self.explainer(prediction) if self.explainer else {}
        # Read again, because a batch of large images would fill the memory.
        pixels, _ = read_rgb(Path(image), self.predictor.reading)
        sheet = overlay(pixels, prediction, self.predictor.classes, maps, Path(image).name)
        note = PngInfo()
        note.add_text(_KEY, self._note(image, sha256))
        data = io.BytesIO()
        sheet.save(data, format="PNG", pnginfo=note)
        write_bytes(self.folder / self.names[image], data.getvalue())

    def _note(self, image: str, sha256: str) -> str:
        methods = self.explainer.methods if self.explainer else []
        return " ".join(["model", self.model, "image", sha256, *methods])
