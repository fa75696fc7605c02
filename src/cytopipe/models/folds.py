"""folds.json: the fold of each image, in a model folder with one network per fold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import NonNegativeInt, TypeAdapter, ValidationError

from cytopipe.core.io.atomic import write_json
from cytopipe.errors import CytopipeError
from cytopipe.models.files import FOLDS, MAIN, fold_part
from cytopipe.results.model_spec import RESTORE

_BY_IMAGE = TypeAdapter(dict[str, NonNegativeInt])


@dataclass(frozen=True)
class Folds:
    """The fold of each image. The network of a fold was trained without the images of that fold.

    Attributes:
        by_image: fold number by image id; empty for a folder with a single network.
        folder: the model folder, for messages.
    """

    by_image: Mapping[str, int]
    folder: Path

    @classmethod
    def read(cls, folder: Path) -> Folds:
        """Read the folds of a model folder; empty if it holds a single network.

        Raises:
            CytopipeError: folds.json is damaged.
        """
        file = folder / FOLDS
        try:
            return cls(_BY_IMAGE.validate_json(file.read_bytes()) if file.is_file() else {}, folder)
        except ValidationError as error:
            raise CytopipeError(f"is not valid ({error.errors()[0]['msg']})", where=file, hint=RESTORE) from None

    def write(self) -> None:
        """Write folds.json into the model folder."""
        write_json(self.folder / FOLDS, self.by_image)

    def __bool__(self) -> bool:
        return bool(self.by_image)

    def of(self, image: str) -> int:
        """The fold of an image, whose network may predict it; 0 for a folder with a single network.

        Raises:
            CytopipeError: the image is in no fold.
        """
        if not self.by_image:
            return 0
        if image not in self.by_image:
            raise CytopipeError(f"the image '{image}' is in no fold", where=self.folder, hint="train the model again")
        return self.by_image[image]

    def parts(self) -> Iterator[str]:
        """Subfolders of the networks, in the order of the folds."""
        if not self.by_image:
            yield MAIN
        else:
            yield from map(fold_part, range(max(self.by_image.values()) + 1))
