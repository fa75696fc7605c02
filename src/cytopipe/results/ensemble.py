"""ensemble.json: several networks that are one classifier, and the decision rule of their mean. Imports no torch."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, ValidationError

from cytopipe.errors import CytopipeError
from cytopipe.results.guarantees import GuaranteeRule
from cytopipe.results.model_spec import RESTORE, DecisionRule, Part

ENSEMBLE = "ensemble.json"
Kind = Literal["folds", "seeds"]

CHOSEN_ON: dict[Kind, str] = {
    "folds": "out-of-fold predictions: each image by the network of its fold, which was not trained on it",
    "seeds": "the mean of the networks' predictions of the validation images",
}
PERFORMANCE: dict[Kind, str] = {
    "folds": "cross-validated: each image was tested by the network of its fold; the mean of the networks, which this "
    "folder predicts with, has seen every image and was not tested itself",
    "seeds": "of the mean of the networks, on the test images",
}


class Ensemble(Part):
    """The content of ensemble.json.

    Attributes:
        kind: what the networks differ in: `folds` (the images that each was trained on) or `seeds`.
        members: SHA-256 of each network's model.json and weights together, by its subfolder; "." is the folder itself.
        decision_rule: the rule of the mean of their probabilities.
        images, groups: how many images of how many groups chose the rule.
        chosen_on: which predictions these are, in words.
        performance: what the measured performance is an estimate of, in words.
        guarantees: what the mean guarantees for new groups; None if nothing was asked for, or in an older file.
    """

    kind: Kind
    members: Annotated[dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]], Field(min_length=2)]
    decision_rule: DecisionRule
    images: PositiveInt
    groups: PositiveInt
    chosen_on: str
    performance: str
    guarantees: GuaranteeRule | None = None

    @classmethod
    def parse(cls, content: bytes, where: Path) -> Ensemble:
        """Parse the content of an ensemble.json.

        Raises:
            CytopipeError: it is not of this type, or names a network outside the folder.
        """
        try:
            found = cls.model_validate_json(content)
        except ValidationError as error:
            fault = error.errors()[0]
            key = ".".join(str(part) for part in fault["loc"]) or "ensemble"
            raise CytopipeError(f"{key}: {fault['msg']}", where=where, hint=RESTORE) from None
        for part in found.members:
            if not re.fullmatch(rf"\.|{found.kind}/\d+", part):
                raise CytopipeError(f"members: '{part}' is no network of this folder", where=where, hint=RESTORE)
        return found

    @classmethod
    def read(cls, folder: Path) -> Ensemble | None:
        """Read the ensemble.json of a model folder; None for a folder without one.

        Raises:
            CytopipeError: the file cannot be read, or its content is invalid.
        """
        file = folder / ENSEMBLE
        try:
            return cls.parse(file.read_bytes(), file) if file.is_file() else None
        except OSError as error:
            raise CytopipeError(f"cannot be read ({error.strerror})", where=file, hint=RESTORE) from None

    def to_json(self) -> bytes:
        """The content of ensemble.json; unlike results, with all digits of the thresholds, which decide."""
        values = self.model_dump(mode="json", exclude_none=True)
        return (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode()
