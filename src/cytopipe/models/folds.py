"""folds.json: which fold each image belongs to, where a model folder holds one network per fold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import NonNegativeInt, TypeAdapter, ValidationError

from cytopipe.errors import CytopipeError
from cytopipe.io.atomic import write_json
from cytopipe.models.files import FOLDS, MAIN, fold_part
from cytopipe.results.model_spec import RESTORE

_BY_IMAGE = TypeAdapter(dict[str, NonNegativeInt])


@dataclass(frozen=True)
class Folds:
    """The fold of each image, by id. The network of a fold has seen no image of that fold.

    Attributes:
        by_image: empty for a folder with one network alone.
        folder: of the model, for messages.
    """

    by_image: Mapping[str, int]
    folder: Path

    @classmethod
    def read(cls, folder: Path) -> Folds:
        """The folds of a model folder; none where it holds one network alone.

        Raises:
            CytopipeError: folds.json is damaged.
        """
        file = folder / FOLDS
        try:
            return cls(_BY_IMAGE.validate_json(file.read_bytes()) if file.is_file() else {}, folder)
        except ValidationError as error:
            raise CytopipeError(f"no folds of images ({error.errors()[0]['msg']})", where=file, hint=RESTORE) from None

    def write(self) -> None:
        """Write folds.json into the model folder."""
        write_json(self.folder / FOLDS, self.by_image)

    def __bool__(self) -> bool:
        return bool(self.by_image)

    def of(self, image: str) -> int:
        """The fold of an image: the number of the network that may judge it; 0 where there is one network alone.

        Raises:
            CytopipeError: the folds are of other images.
        """
        if not self.by_image:
            return 0
        if image not in self.by_image:
            raise CytopipeError(f"the image '{image}' is in no fold", where=self.folder, hint="train the model again")
        return self.by_image[image]

    def parts(self) -> Iterator[str]:
        """Where the networks lie below the folder, in the order of their numbers."""
        if not self.by_image:
            yield MAIN
        else:
            yield from map(fold_part, range(max(self.by_image.values()) + 1))
