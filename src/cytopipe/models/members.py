"""What a model folder with several networks is, read without torch: its description, examples and first network."""

from __future__ import annotations

from pathlib import Path

from cytopipe.errors import CytopipeError
from cytopipe.models.files import FOLDS, fold_part
from cytopipe.results.ensemble import ENSEMBLE, Ensemble
from cytopipe.results.model_spec import SPEC, ModelSpec

# What all networks of one model see and return, so that it is equal in each model.json.
SHARED = ("task", "classes", "channels", "input_size", "fit", "network_size", "mean", "std", "tta", "reading")
# How the first one was made, which holds for all but the seed or the images.
_MADE = ("architecture", "arguments", "head", "activation", "freeze", "training_data_sha256")
_MADE_WITH = ("precision", "num_threads", "cpu", "devices")


def is_model(folder: Path) -> bool:
    """Whether this is a model folder: of one network, of several that are one classifier, or of one a fold."""
    return any((folder / name).is_file() for name in (SPEC, ENSEMBLE, FOLDS))


def is_usable(folder: Path) -> bool:
    """Whether a model folder predicts as it is; one of folds from before ensemble.json does not."""
    return any((folder / name).is_file() for name in (SPEC, ENSEMBLE))


def spec_of(folder: Path) -> ModelSpec:
    """The description of a model folder; that of several networks has the decision rule of their mean.

    Raises:
        CytopipeError: a file is missing or invalid, or the folder holds networks of folds without a rule for their
            mean.
    """
    ensemble = Ensemble.read(folder)
    if ensemble is not None:
        return of_ensemble(ModelSpec.read(folder / next(iter(ensemble.members)) / SPEC), ensemble)
    if (folder / FOLDS).is_file() and not (folder / SPEC).is_file():
        raise not_an_ensemble(folder)
    return ModelSpec.read(folder / SPEC)


def knows_training_images(folder: Path) -> bool:
    """Whether each network of a model folder can tell what is unlike its training images.

    Raises:
        CytopipeError: a file is missing or invalid.
    """
    ensemble = Ensemble.read(folder)
    parts = ensemble.members if ensemble else (".",)
    return all(ModelSpec.read(folder / part / SPEC).familiarity is not None for part in parts)


def of_ensemble(first: ModelSpec, ensemble: Ensemble) -> ModelSpec:
    """The description of several networks, given that of the first: what was chosen for a single one is left out."""
    kept = {key: getattr(first, key) for key in (*SHARED, *_MADE, *_MADE_WITH)}
    return ModelSpec(**kept, decision_rule=ensemble.decision_rule, guarantees=ensemble.guarantees)


def not_an_ensemble(folder: Path) -> CytopipeError:
    """The error for a folder of folds that was written before they became one model."""
    return CytopipeError(
        f"this holds a network for each fold, and no {ENSEMBLE} with a decision rule for all of them together: an "
        "earlier version trained it",
        where=folder,
        hint=f"train it again (dvc repro), or name one of its networks: {folder / fold_part(0)}",
    )
