"""fastai's vision learner from random weights; runs in the environment of the peers.

classify_fastai.py IMAGEFOLDER MINUTES OUT
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from fastai.vision.all import (
    ImageDataLoaders,
    Resize,
    aug_transforms,
    set_seed,
    vision_learner,
)
from torchvision.models import resnet18

from report import write_classes

SIDE, BATCH = 64, 64


def learner(data: Path) -> Any:
    """ResNet-18 with fastai's own head, loss and augmentation, for images that have no upright position."""
    set_seed(0, reproducible=True)
    loaders = ImageDataLoaders.from_folder(
        data, train="train", valid="val", item_tfms=Resize(SIDE), batch_tfms=aug_transforms(flip_vert=True), bs=BATCH,
        num_workers=1,
    )  # fmt: skip
    return vision_learner(loaders, resnet18, pretrained=False)


def main(data: Path, minutes: float, out: Path) -> None:
    """Time one epoch, train as many as the time allows with its one-cycle schedule, and classify the test images."""
    trial = learner(data)
    started = time.perf_counter()
    with trial.no_bar(), trial.no_logging():
        trial.fit(1)
    epochs = max(1, int(60 * minutes / (time.perf_counter() - started)))
    model = learner(data)
    started = time.perf_counter()
    with model.no_bar():
        model.fit_one_cycle(epochs, 3e-3)
    seconds = time.perf_counter() - started
    files = sorted((data / "test").glob("*/*.png"))
    with model.no_bar():
        probabilities, _ = model.get_preds(dl=model.dls.test_dl(files))
    labels = [model.dls.vocab[int(one)] for one in probabilities.argmax(1)]
    write_classes(
        out,
        {file.stem: label for file, label in zip(files, labels, strict=True)},
        epochs * len(model.dls.train_ds),
        seconds,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))
