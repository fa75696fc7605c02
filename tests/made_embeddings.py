"""Embeddings of drawn predictions, for tests of the code that reads them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cytopipe import paths
from cytopipe.metrics.classification import classification_metrics
from cytopipe.results.embeddings import Candidate, Encoder, ProbeResult, Probes
from cytopipe.results.numbers import Estimate
from cytopipe.results.predictions import Predictions

GROUPS, IN_GROUP = 10, 4


def leave_embedding(
    name: str, right: int, dataset: str = "cells", classes: Sequence[str] = ("a", "b"), knn: float = 0.9
) -> Probes:
    """Write the results of an embedding whose linear probe is right on the first of 40 test images in 10 groups.

    The nearest neighbours are always right, but validation images prefer the linear probe unless `knn` is above .8.
    """
    truth = np.arange(GROUPS * IN_GROUP) % 2
    groups = [f"g{number // IN_GROUP}" for number in range(len(truth))]
    images = [
        (f"i{number:02}", group, classes[int(label)])
        for number, (group, label) in enumerate(zip(groups, truth, strict=True))
    ]
    files = paths.Embedded(name)
    files.predictions.mkdir(parents=True)
    results = {}
    for kind, hits, selection in (("linear", right, 0.8), ("knn", len(truth), knn)):
        named = np.where(np.arange(len(truth)) < hits, truth, 1 - truth)
        shares = np.full((len(truth), len(classes)), 0.0)
        shares[np.arange(len(truth)), named] = 1
        Predictions.of_images(classes, images, shares).write(files.predictions / f"{kind}.csv")
        results[kind] = ProbeResult(
            setting="C" if kind == "linear" else "k",
            value=1,
            candidates=(Candidate(value=1, accuracy=selection),),
            selection=selection,
            components=None,
            converged=True,
            metrics=Estimate.of_all(classification_metrics(truth, shares, groups)),
        )
    encoder = Encoder(
        architecture=f"timm/net_{name}",
        pretrained="workflow/weights/none",
        weights_sha256="0" * 64,
        input_size=64,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        tta=1,
        regions="whole",
        strides=None,
        seed=0,
        parameters=1_234,
    )
    counts = {"train": 80, "val": 20, "test": len(truth)}
    probes = Probes(
        dataset=dataset,
        encoder=encoder,
        dimension=512,
        scale=1,
        images=counts,
        groups={"train": 20, "val": 5, "test": GROUPS},
        empty={},
        chosen_on="20 validation images",
        fitted_to="training images",
        best="knn" if knn > 0.8 else "linear",
        probes=results,
    )
    probes.write(files.probes)
    return probes
