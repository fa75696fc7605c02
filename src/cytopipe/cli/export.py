"""`cytopipe export`: write a trained model as an ONNX file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cytopipe.cli.common import AsJson, Debug, Threads, clear_errors, fix_processor, prepare, print_json, print_table
from cytopipe.deploy.onnx import TOLERANCE, require_packages
from cytopipe.errors import CytopipeError

if TYPE_CHECKING:
    from cytopipe.deploy.onnx.export import Exported
    from cytopipe.deploy.onnx.runtime import Timing

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a classifier or a segmenter.")]
Format = Annotated[Literal["onnx"], typer.Option("--format", help="File format.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Output file; by default NAME.onnx in the current folder.")
]
Images = Annotated[
    list[str] | None,
    typer.Option(
        "--images",
        metavar="IMAGES",
        help="Real images for the check: a file, folder, quoted pattern or CSV; may be repeated. By default the "
        "example images in MODEL.",
    ),
]
Tolerance = Annotated[
    float, typer.Option("--tolerance", min=0, help="Largest accepted difference from torch in any probability.")
]
Time = Annotated[
    bool,
    typer.Option("--time", help="Compare the speed of ONNX Runtime and torch, for single images and batches of 32."),
]
Segmenter = Annotated[
    Path | None, typer.Option("--segmenter", metavar="DIR", help="Segmenter to use instead of the one in MODEL.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")]


def command(
    model: Model,
    file_format: Format = "onnx",
    out: Out = None,
    images: Images = None,
    tolerance: Tolerance = TOLERANCE,
    time: Time = False,
    segmenter: Segmenter = None,
    threads: Threads = None,
    as_json: AsJson = False,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Export a model to ONNX, for programs without torch or cytopipe.

    The model takes batches of any size of uint8 images, N x S x S x 3, or N x S x S x 5 for a classifier with masks (of
    cell and nucleus, 0 or 255). Normalisation, resizing to the network's input size and test-time augmentation are
    part of it. A classifier returns `probabilities`, as predict and evaluate do, and `calibrated`; a segmenter returns
    `probabilities`, N x S x S x 2, of cell and nucleus. The file's metadata holds the classes, thresholds, sizes and
    the model's identity. docs/onnx_example.py shows how to use the file without cytopipe.

    ONNX Runtime runs the model on real and random images, one by one, in pairs and in batches. The file is written
    only if no value differs from torch's by more than the tolerance and all classes are the same; otherwise the exit
    status is 1.

    \b
    Examples:
      cytopipe export models/classifiers/masks
      cytopipe export models/classifiers/masks --out masks.onnx --images cells/ --time
      cytopipe export models/segmenters/unet --images 'cells/*.bmp' --json
      cytopipe export models/classifiers/crossvalidated

    Several networks that are one classifier (folds, seeds) become one file, which averages their probabilities.
    """
    with clear_errors(debug):
        require_packages()
        file = out or Path(f"{default_name(model)}.{file_format}")
        if file.is_dir() or (file.exists() and not force):
            raise CytopipeError(
                "the file exists", where=file, hint="choose another --out, or overwrite it with --force"
            )
        fix_processor(threads, model)

        from cytopipe.models.inference.image_paths import list_images

        named = [Path(path) for path in list_images(images)] if images else None
        prepare("cpu", threads, model)

        from cytopipe.core.io.atomic import write_bytes
        from cytopipe.deploy.onnx.export import example_paths, open_source, time_export, to_checked_onnx

        source = open_source(model, segmenter)
        exported = to_checked_onnx(source, model, named or example_paths(model), tolerance)
        write_bytes(file, exported.data)
        timings = time_export(source, exported.data) if time else {}
        report = describe(file, exported, tolerance, timings)
        if as_json:
            print_json(report)
        else:
            show(report)


def default_name(model: Path) -> str:
    """Default name of the file: the model's name, for one of several networks with its fold or seed."""
    *_, whole, part, number = ("", "", "", *model.resolve().parts)
    return f"{whole}-{part}-{number}" if part in ("folds", "seeds") else number


def describe(file: Path, exported: Exported, tolerance: float, timings: dict[int, Timing]) -> dict[str, Any]:
    """Describe the file and its check in JSON types."""
    import torch

    from cytopipe.core.io.hashing import sha256_bytes

    return {
        "file": file.as_posix(),
        "bytes": len(exported.data),
        "sha256": sha256_bytes(exported.data),
        "inputs": dict(exported.inputs),
        "outputs": dict(exported.outputs),
        "metadata": dict(exported.metadata),
        "tolerance": tolerance,
        "real_images": asdict(exported.real),
        "random_images": asdict(exported.noise),
        "threads": torch.get_num_threads(),
        "timings": [{"images": count, **asdict(timing)} for count, timing in timings.items()],
    }


def show(report: dict[str, Any]) -> None:
    """Print a report as text."""
    real, noise = report["real_images"], report["random_images"]
    print(f"{report['file']}: {report['bytes'] / 1e6:.1f} MB, model {report['metadata']['model']}")
    for kind in ("inputs", "outputs"):
        for name, shape in report[kind].items():
            print(f"  {kind[:-1]:6}  {name}  {' x '.join(map(str, shape))}")
    print(
        f"  differs from torch by at most {real['difference']:.1e} on {real['images']} real images and "
        f"{noise['difference']:.1e} on {noise['images']} random ones ({report['tolerance']:g} is accepted); "
        f"{100 * real['agreement']:.6g} % of the decisions on the real images agree"
    )
    if report["timings"]:
        print()
        header = ("images", "torch ms", "ONNX Runtime ms", "times faster")
        rows = [
            (str(one["images"]), f"{one['torch_ms']:.2f}", f"{one['onnx_ms']:.2f}", f"{one['ratio']:.2f}")
            for one in report["timings"]
        ]
        print_table(header, rows, right=header)
        print(f"medians of alternating runs on {report['threads']} CPU threads")
