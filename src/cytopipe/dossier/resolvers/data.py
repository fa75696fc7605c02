"""Facts of the data: origin, what was left out, splits and groups, preprocessing, reference standard."""

from __future__ import annotations

from cytopipe import paths
from cytopipe.adapters.registry import adapter
from cytopipe.core.params import SPLITS
from cytopipe.dossier.project import Project, file_fact, manifest, summary
from cytopipe.dossier.resolvers.registry import Facts, resolver
from cytopipe.dossier.words import NONE, of_classes, shown
from cytopipe.report.read import DatasetResults
from cytopipe.report.render import count


def _adapter_text(one: DatasetResults) -> str:
    return adapter(one.config.adapter, f"datasets.{one.name}.adapter").title


@resolver
def sources(project: Project) -> Facts:
    """Where the images come from."""
    for one in project.datasets:
        start = ("datasets", one.name, "source")
        kinds = {"phantom": "phantom: synthetic images drawn by cytopipe, of no patient", "archive": "a local archive"}
        yield from project.parameter(one.name, "kind", *start, "kind", text=kinds.get(one.config.source.kind))
        yield from project.parameters(one.name, start, {"path": "path", "layout": "layout"})
        yield from project.parameter(one.name, "read as", "datasets", one.name, "adapter", text=_adapter_text(one))
        if recipe := project.recipe(one):
            yield from recipe.all({name: (name,) for name in ("home", "licence", "citation")})


@resolver
def data_terms(project: Project) -> Facts:
    """Terms of the data."""
    for one in project.datasets:
        if recipe := project.recipe(one):
            yield from recipe.all({"home": ("home",), "licence": ("licence",)})
        elif one.config.source.kind == "phantom":
            key = ("datasets", one.name, "source")
            yield from project.parameter(one.name, "kind", *key, "kind", text="phantom: anyone can draw them again")
            yield from project.parameter(one.name, "seed", *key, "seed")


@resolver
def left_out(project: Project) -> Facts:
    """What was taken, and what was left out."""
    for one in project.datasets:
        file = summary(one)
        yield from file.fact("images", "images")
        yield from file.fact("classes left out", "excluded_classes")
        yield from file.fact("images refused", "refused", text=shown(len(one.summary.refused)))
        if one.summary.files:
            yield from file.fact("files used", "files", "images")
            counts = {reason: unused.count for reason, unused in one.summary.files.left_out.items()}
            text = "; ".join(f"{count(number)} {reason}" for reason, number in counts.items()) or NONE
            yield from file.fact("files left out", "files", "left_out", text=text)


@resolver
def missing(project: Project) -> Facts:
    """Missing and unreadable data."""
    for one in project.datasets:
        file = summary(one)
        rules = {"error": "error: the run stops", "skip": "skip: left out and listed"}
        key = ("datasets", one.name, "bad_images")
        yield from project.parameter(one.name, "rule for unreadable images", *key, text=rules[one.config.bad_images])
        yield from file.fact("images refused", "refused", text=shown(len(one.summary.refused)))
        yield from file.fact(
            "images with a true mask", "masks", text=f"{count(one.summary.masks)} of {count(one.summary.images)}"
        )


@resolver
def splits(project: Project) -> Facts:
    """How images were assigned to partitions."""
    for one in project.datasets:
        yield from summary(one).fact("kind of split", "split")
        start = ("datasets", one.name, "split")
        if one.config.split.kind != "published":
            yield from project.parameters(
                one.name, start, {"validation share": "val", "test share": "test", "seed": "seed"}
            )
        for split in SPLITS:
            if counts := one.summary.counts.get(split):
                yield from summary(one).fact(f"images in {split}", "counts", split, text=of_classes(counts))
    for model in project.classifiers:
        if model.config.folds:
            yield from project.parameter(model.name, "folds of whole groups", "classifiers", model.name, "folds")


@resolver
def groups(project: Project) -> Facts:
    """The level at which partitions are disjoint."""
    for one in project.datasets:
        found = adapter(one.config.adapter, f"datasets.{one.name}.adapter")
        yield from project.parameter(one.name, "a group is", "datasets", one.name, "adapter", text=found.group_key)
        for split in SPLITS:
            yield from summary(one).fact(f"groups in {split}", "groups", split)
        yield from summary(one).fact("groups in several splits", "torn", "groups")
        yield from summary(one).fact("identical images in several splits", "torn", "copies")


@resolver
def preprocessing(project: Project) -> Facts:
    """Preprocessing."""
    for one in project.datasets:
        start = ("datasets", one.name)
        yield from project.parameters(one.name, start, {"side, pixels": "image_size", "fit to a square": "fit"})
        file = summary(one)
        yield from file.fact("converted", "converted")
        labels = {"black and white of deep images": "range", "transparency": "alpha", "channels": "channels"}
        yield from file.all({label: (key,) for label, key in labels.items()})
        if tensors := project.tensors(one):
            yield from tensors.all({"padded images": ("padded", "count"), "cropped images": ("cropped", "count")})


@resolver
def normalisation(project: Project) -> Facts:
    """Normalisation and channels of the networks."""
    for _, spec in project.specs():
        labels = {"channels": "channels", "input, pixels": "network_size", "mean": "mean", "deviation": "std"}
        yield from spec.all({label: (key,) for label, key in labels.items()})


@resolver
def acquisition(project: Project) -> Facts:
    """The images as they were acquired."""
    for one in project.datasets:
        sides = {f"{side}, median pixels": ("size_px", side, "median") for side in ("width", "height")}
        yield from summary(one).all(sides)
        known = sum(row.pixel_size_um is not None for row in one.rows)
        text = f"known of {count(known)} of {count(len(one.rows))} images"
        yield from manifest(one).counted("size of a pixel in micrometres", known, "pixel_size_um", text=text)


@resolver
def reference(project: Project) -> Facts:
    """What the reference standard says."""
    for one in project.datasets:
        key = ("datasets", one.name, "adapter")
        text = f"the publisher's labels of {_adapter_text(one)}"
        yield from project.parameter(one.name, "labels", *key, text=text)
        yield from summary(one).all({"classes": ("classes",), "normal classes": ("normal",)})
        masks = f"{count(one.summary.masks)} of {count(one.summary.images)} images"
        yield from summary(one).fact("true masks", "masks", text=masks)


@resolver
def characteristics(project: Project) -> Facts:
    """Images by partition and class."""
    for one in project.datasets:
        for split in SPLITS:
            if counts := one.summary.counts.get(split):
                yield from summary(one).fact(f"images in {split}", "counts", split, text=of_classes(counts))
            yield from summary(one).fact(f"groups in {split}", "groups", split)


@resolver
def data_cards(project: Project) -> Facts:
    """Cards of the data."""
    for one in project.datasets:
        yield from file_fact(one.name, "data card", paths.CARDS / f"datasets/{one.name}.md", "data card")
