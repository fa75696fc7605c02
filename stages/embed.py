"""Compute features of a dataset's images by one encoder, once, and test probes of them."""

from __future__ import annotations

import shutil

from cytopipe import paths
from cytopipe.core.io.hash_record import HashRecord
from cytopipe.core.params import SPLITS
from cytopipe.core.pipeline.stage import Stage, main


def run(stage: Stage) -> None:
    """Write data/embeddings/<name>/, results/embeddings/<name>/ and models/embeddings/<name>/."""
    from cytopipe.data.tensors import load_all
    from cytopipe.embeddings.bundle import save_probe
    from cytopipe.embeddings.cache import cache_of
    from cytopipe.embeddings.embed import empty_regions, probe_all, rows_of
    from cytopipe.embeddings.encoder import make_encoder
    from cytopipe.embeddings.features import cached_features
    from cytopipe.models.determinism import prepare
    from cytopipe.results.dataset import DatasetSummary
    from cytopipe.results.embeddings import FEATURES, IMAGES, EmbeddedImage, EmbeddedImages

    config, where = stage.params.embeddings[stage.item], f"embeddings.{stage.item}"
    target, tensors = paths.Embedded(stage.item), paths.Tensors(config.dataset)
    dataset = DatasetSummary.read(paths.Organized(config.dataset).summary)
    device = prepare(stage.params.runtime)
    items, rows = load_all(tensors.folder)
    data_hash = stage.inputs[tensors.manifest.as_posix()]
    encoder = make_encoder(config, dataset.classes, items.shape[1], data_hash, device, where)
    learnt = rows_of(rows, "train", "val")
    empty = empty_regions(config, items, learnt, where)
    with HashRecord(paths.HASHES) as record:
        hashes = {split: record.sha256(tensors.array(split)) for split in SPLITS}
    runtime = stage.params.runtime
    settings = {**hashes, "manifest": data_hash, "threads": runtime.num_threads, "cpu": runtime.cpu}
    cache = cache_of(stage.item)
    features = cached_features(encoder, items, learnt, cache, settings, stage.progress, device)
    found = probe_all(config, encoder, features, rows, dataset.classes, empty, where)

    folder = stage.folder(target.features)
    shutil.copyfile(features.file, folder / FEATURES)
    images = [EmbeddedImage(id=row.id, split=row.split, group=row.group, label=row.label) for row in rows]
    EmbeddedImages(rows=tuple(images)).write(folder / IMAGES)
    model = stage.folder(target.model)
    if linear := found.fitted.get("linear"):
        save_probe(model, stage.item, encoder, linear, features.scale, dataset, runtime)
    predictions = stage.folder(target.predictions)
    for kind, table in found.predictions.items():
        table.write(predictions / f"{kind}.csv")
    found.probes.write(stage.output(target.probes))
    headline = found.probes.headline
    headline.write(stage.output(target.metrics))
    stage.tracker.log_metrics({**headline.root, "seconds_of_features": features.seconds})
    stage.tracker.log_dict(found.probes.plain, "probes.json")


if __name__ == "__main__":
    main(run, __doc__)
