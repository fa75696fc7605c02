"""Networks that start from other networks of the project: which ones, and that none of them has seen test images."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from pydantic_core import PydanticCustomError

from cytopipe.core.params.datasets import Dataset
from cytopipe.core.params.networks import Classifier, Network, Segmenter
from cytopipe.core.params.screenings import same_images

Networks = Mapping[str, Network]  # by model folder, such as models/classifiers/resnet


def refuse_unfit_starts(
    datasets: Mapping[str, Dataset],
    segmenters: Mapping[str, Segmenter],
    classifiers: Mapping[str, Classifier],
    embeddings: Mapping[str, Network] | None = None,
) -> None:
    """Refuse a network that starts from one that is absent, itself, or one that has seen its test images.

    Raises:
        PydanticCustomError: the message names the key and the reason.
    """
    networks: dict[str, Network] = {f"models/segmenters/{name}": one for name, one in segmenters.items()}
    networks |= {f"models/classifiers/{name}": one for name, one in classifiers.items()}
    networks |= {f"models/embeddings/{name}": one for name, one in (embeddings or {}).items()}
    for folder, network in networks.items():
        key = f"{folder.removeprefix('models/').replace('/', '.')}.pretrained"
        for donor, config in predecessors(key, folder, networks):
            _refuse_test_images(key, network, donor, config, datasets)


def predecessors(key: str, folder: str, networks: Networks) -> Iterator[tuple[str, Network]]:
    """The network that one starts from, the network that this one starts from, and so on: folder and parameters.

    Args:
        key: key of params.yaml, for messages.
        folder: model folder of the first network.
        networks: all networks by model folder.

    Raises:
        PydanticCustomError: there is no such network, or one starts from itself.
    """
    seen = [folder]
    while (donor := networks[seen[-1]].pretrained.as_posix()).startswith(("models/segmenters/", "models/classifiers/")):
        if donor not in networks:
            near = difflib.get_close_matches(donor, networks, n=1) or sorted(networks)
            text = "{key}: there is no network '{donor}'; did you mean: {near}"
            raise PydanticCustomError("unknown_start", text, {"key": key, "donor": donor, "near": ", ".join(near)})
        if donor in seen:
            text = "{key}: a network cannot start from itself, through {chain}"
            raise PydanticCustomError("circular_start", text, {"key": key, "chain": " and ".join([*seen, donor])})
        seen.append(donor)
        yield donor, networks[donor]


def _refuse_test_images(
    key: str, network: Network, donor: str, config: Network, datasets: Mapping[str, Dataset]
) -> None:
    same = config.dataset == network.dataset
    twin = not same and same_images(datasets[config.dataset].source, datasets[network.dataset].source)
    folds = getattr(network, "folds" if isinstance(network, Classifier) else "cross_fit", 0)
    if twin or (same and folds):
        how = "which have another split" if twin else "all of which are tested here in folds"
        text = "{key}: '{donor}' was trained on the images of '{dataset}', {how}; start from a network of other images"
        raise PydanticCustomError(
            "seen_start", text, {"key": key, "donor": donor, "dataset": network.dataset, "how": how}
        )
