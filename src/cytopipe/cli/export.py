"""`cytopipe export`: a trained model as a file that other programs run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cytopipe.cli.common import AsJson, Debug, Threads, clear_errors, prepare, print_json, print_table
from cytopipe.deploy.onnx import TOLERANCE, require_packages
from cytopipe.errors import CytopipeError

if TYPE_CHECKING:
    from cytopipe.deploy.onnx.export import Exported
    from cytopipe.deploy.onnx.runtime import Timing

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a classifier or a segmenter.")]
Format = Annotated[Literal["onnx"], typer.Option("--format", help="Of the file.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="File to write; by default NAME.onnx, in this folder.")
]
Images = Annotated[
    list[str] | None,
    typer.Option(
        "--images",
        metavar="IMAGES",
        help="Real images to check with: a file, folder, quoted pattern or CSV; may be repeated. By default the "
        "example images in MODEL.",
    ),
]
Tolerance = Annotated[
    float, typer.Option("--tolerance", min=0, help="Largest difference from torch of any probability.")
]
Time = Annotated[bool, typer.Option("--time", help="Time ONNX Runtime beside torch, single images and batches of 32.")]
Segmenter = Annotated[
    Path | None, typer.Option("--segmenter", metavar="DIR", help="Mask the images by this model, not the one in MODEL.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the file.")]


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

    The file takes batches of any size of uint8 images, N x S x S x 3, or x 5 for a classifier that sees masks (of cell
    and nucleus, 0 or 255). It does all else itself: normalises, resizes to the network's input, averages over
    orientations. A classifier's outputs are `probabilities`, those of predict and evaluate, and `calibrated`; a
    segmenter's are `probabilities`, N x S x S x 2, of cell and nucleus. Classes, thresholds, sizes and the model's
    identity are in the file's metadata. An example without cytopipe: docs/onnx_example.py.

    ONNX Runtime runs the file on real and on random images, one by one, in pairs and in batches. It is written, whole
    or not at all, if no value differs from torch's by more than the tolerance and the classes are the same; else the
    exit status is 1.

    \b
    Examples:
      cytopipe export models/classifiers/masks
      cytopipe export models/classifiers/masks --out masks.onnx --images cells/ --time
      cytopipe export models/segmenters/unet --images 'cells/*.bmp' --json
      cytopipe export models/classifiers/crossvalidated/folds/0
    """
    with clear_errors(debug):
        require_packages()
        file = out or Path(f"{name_of(model)}.{file_format}")
        if file.is_dir() or (file.exists() and not force):
            raise CytopipeError("the file exists", where=file, hint="choose another --out, or overwrite it: --force")
        from cytopipe.inference.image_paths import list_images

        named = [Path(path) for path in list_images(images)] if images else None
        prepare("cpu", threads, model)

        from cytopipe.deploy.onnx.export import example_paths, open_source, time_export, to_checked_onnx
        from cytopipe.io.atomic import write_bytes

        source = open_source(model, segmenter)
        exported = to_checked_onnx(source, model, named or example_paths(model), tolerance)
        write_bytes(file, exported.data)
        timings = time_export(source, exported.data) if time else {}
        report = describe(file, exported, tolerance, timings)
        if as_json:
            print_json(report)
        else:
            show(report)


def name_of(model: Path) -> str:
    """What the file is called unless it is told: the model's name, with the part of a folder of several."""
    *_, whole, part, number = ("", "", "", *model.resolve().parts)
    return f"{whole}-{part}-{number}" if part in ("folds", "seeds") else number


def describe(file: Path, exported: Exported, tolerance: float, timings: dict[int, Timing]) -> dict[str, Any]:
    """What was written and how it was checked, as plain values."""
    import torch

    from cytopipe.io.hashing import sha256_bytes

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
    """Print a report for people."""
    real, noise = report["real_images"], report["random_images"]
    print(f"{report['file']}: {report['bytes'] / 1e6:.1f} MB, model {report['metadata']['model']}")
    for kind in ("inputs", "outputs"):
        for name, shape in report[kind].items():
            print(f"  {kind[:-1]:6}  {name}  {' x '.join(map(str, shape))}")
    print(
        f"  differs from torch by at most {real['difference']:.1e} on {real['images']} real images and "
        f"{noise['difference']:.1e} on {noise['images']} random ones ({report['tolerance']:g} is accepted); "
        f"on the real ones {100 * real['agreement']:.6g} % of what is decided is the same"
    )
    if report["timings"]:
        print()
        header = ("images", "torch ms", "ONNX Runtime ms", "times faster")
        rows = [
            (str(one["images"]), f"{one['torch_ms']:.2f}", f"{one['onnx_ms']:.2f}", f"{one['ratio']:.2f}")
            for one in report["timings"]
        ]
        print_table(header, rows, right=header)
        print(f"medians, taken in turn on {report['threads']} CPU threads")
