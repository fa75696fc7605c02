"""`cytopipe weights`: import a checkpoint as a file that `pretrained` can name, or list such files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cytopipe.cli.common import EXIT_STATUS, AsJson, Debug, clear_errors, print_json, print_table

app = typer.Typer(
    help="Import weights to start from, and list them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

SHOWN = 4  # keys that are named


class Normalisations(StrEnum):
    """How the colours of images were normalised when weights were trained."""

    IMAGENET = "imagenet"
    HALF = "half"
    UNIT = "unit"


Source = Annotated[Path, typer.Argument(metavar="FILE", help="Checkpoint: .pth, .pt, .ckpt, .bin or .safetensors.")]
Name = Annotated[str, typer.Option("--as", metavar="NAME", help="Name of the file in workflow/weights/.")]
Architecture = Annotated[
    str | None,
    typer.Option("--architecture", metavar="timm/NAME", help="Network that was trained; without it, it is guessed."),
]
Part = Annotated[
    str | None,
    typer.Option("--part", help="Part of the checkpoint to take, such as `student`; the teacher comes first."),
]
DropHead = Annotated[bool, typer.Option("--drop-head", help="Leave the classifier out.")]
InputSize = Annotated[
    int | None,
    typer.Option("--input-size", min=16, max=4096, help="Side of the images, to which positions are resized."),
]
Normalisation = Annotated[
    Normalisations | None,
    typer.Option(
        "--normalisation",
        help="How the images were normalised: imagenet (its mean and deviation), half (0.5 and 0.5) or unit (0 to 1).",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file of this name.")]


@app.command("import", epilog=EXIT_STATUS)
def import_(
    source: Source,
    name: Name,
    architecture: Architecture = None,
    part: Part = None,
    drop_head: DropHead = False,
    input_size: InputSize = None,
    normalisation: Normalisation = None,
    force: Force = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Convert a checkpoint to workflow/weights/NAME.safetensors, which `pretrained` can name.

    Knows the keys of torchvision, timm, efficientnet_pytorch, DINO and MAE behind any prefix. Nothing but tensors is
    unpickled.

    \b
    Examples:
      cytopipe weights import resnet50-0676ba61.pth --as resnet50
      cytopipe weights import dino_deitsmall16_pretrain.pth --as dino --architecture timm/vit_small_patch16_224
    """
    with clear_errors(debug):
        from cytopipe.weights.importing import Request, import_checkpoint

        chosen = None if normalisation is None else normalisation.value
        request = Request(architecture, part, not drop_head, input_size, chosen)
        done = import_checkpoint(Path(), source, name, request, force=force)
        origin = done.origin
        if as_json:
            print_json({"file": done.file.as_posix(), **origin.model_dump(mode="json"), "dropped": list(done.dropped)})
            return
        print(f"wrote {done.file.as_posix()}: {origin.architecture}")
        print(f"  head: {f'{origin.classes} classes' if origin.classes else 'none'}; channels: {origin.in_channels}")
        print(f"  images are normalised by mean {list(origin.mean)}, std {list(origin.std)} (--normalisation)")
        if origin.part:
            others = f"; it also holds: {', '.join(one or '(all)' for one in done.others)}" if done.others else ""
            print(f"  from the part '{origin.part.rstrip('.')}' of the checkpoint{others}")
        if done.dropped:
            more = f" and {len(done.dropped) - SHOWN} more" if len(done.dropped) > SHOWN else ""
            print(f"  left out: {', '.join(done.dropped[:SHOWN])}{more}")
        print(f"next, in params.yaml: pretrained: {done.file.as_posix()}")


@app.command("list", epilog=EXIT_STATUS)
def list_(as_json: AsJson = False, debug: Debug = False) -> None:
    """List the weights that `pretrained` can name here: imported files, and packages with weights."""
    with clear_errors(debug):
        from cytopipe.models.packages import EXTRA
        from cytopipe.weights.listing import starts

        found = starts(Path())
        if as_json:
            print_json([one._asdict() for one in found])
            return
        rows = [(one.pretrained, one.architecture, one.origin, "yes" if one.ready else "no") for one in found]
        print_table(("pretrained", "network", "from", "here"), rows)
        if not all(one.ready for one in found):
            print(f"\ninstall the packages: {EXTRA}")
