"""Write params.yaml from a preset without losing the user's edits."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cytopipe import paths
from cytopipe.core.io.atomic import write_bytes
from cytopipe.core.params import load_params, parse_params
from cytopipe.core.params.yaml_text import load_yaml
from cytopipe.core.pipeline.project import BRACES, UNTRUSTED, trust
from cytopipe.errors import CytopipeError
from cytopipe.inspection.seen import Fit
from cytopipe.presets.edit import with_archive, with_phantoms, with_weights
from cytopipe.presets.files import find_preset, list_presets
from cytopipe.presets.own_images import OWN_IMAGES, look_for_fit, with_fit
from cytopipe.presets.package_weights import PACKAGE, with_package_weights

GIT_TIMEOUT_S = 10


def write_preset(
    root: Path,
    name: str,
    archive: Path | None = None,
    weights: Path | None = None,
    phantoms: bool = False,
    force: bool = False,
    fit: Fit | None = None,
) -> bool:
    """Write params.yaml from a preset: byte for byte, except for what `archive`, `weights` and `phantoms` replace.

    For the preset own-images, an archive also gives the options that fit it.

    Args:
        root: root of the project.
        name: name of the preset.
        archive: archive or folder that becomes the source of the preset's datasets, which must share one source.
        weights: safetensors file to use wherever the preset names the hub's weights; the word `package`: the weights
            of installed packages, and networks of which there are some.
        phantoms: generate synthetic images in the layouts of the datasets instead of reading real ones.
        force: overwrite edits even if they are stored nowhere else.
        fit: options for the archive, of the preset own-images; None looks into the archive for them.

    Returns:
        False if params.yaml already had this content.

    Raises:
        CytopipeError: not a project, unknown preset, missing file, several sources for one archive, a layout without
            phantoms, no pretrained network for the weights, an invalid preset, or edits that would be lost.
            params.yaml is then left unchanged.
    """
    preset = find_preset(root, name)
    content = preset.read_bytes()
    load_params(preset)
    text = content.decode("utf-8")
    if archive is not None:
        text = with_archive(text, _path_in_params(archive, root, "--archive"), preset)
        if name == OWN_IMAGES and not phantoms:
            text = with_fit(text, fit if fit is not None else look_for_fit(archive.expanduser()))
    if phantoms:
        if archive is not None:
            raise CytopipeError("--archive and --phantoms both choose the images", hint="give only one of them")
        text = with_phantoms(text, preset)
    if weights in PACKAGE:
        text = with_package_weights(text, preset)
    elif weights is not None:
        text = with_weights(text, _path_in_params(weights, root, "--weights"), preset)
    parse_params(load_yaml(text), preset)
    content = text.encode("utf-8")
    target = root / paths.PARAMS
    if target.exists():
        if target.read_bytes() == content:
            return False
        if not force and not _is_stored_elsewhere(target, root):
            raise CytopipeError(
                "holds edits that are neither committed nor saved as a preset",
                where=paths.PARAMS,
                hint="to keep them, commit the file, or save it as a preset of your own: cp params.yaml "
                f"{paths.PRESETS}/mine.yaml; to discard them, add --force",
            )
    write_bytes(target, content)
    return True


def _path_in_params(given: Path, root: Path, option: str) -> str:
    """Path to write into params.yaml: relative to the root if inside the project, otherwise absolute.

    A relative path to a place outside would lead elsewhere from the folders in which DVC runs experiments.

    Raises:
        CytopipeError: nothing exists at this path, or it is a folder that contains the project.
    """
    path, root = given.expanduser().resolve(), root.resolve()
    if not path.exists():
        raise CytopipeError("no such file or folder", where=given, hint=f"check the path given to {option}")
    if set(str(path)) & set("{}"):
        raise CytopipeError(BRACES, where=given, hint="rename that folder or file")
    if root.is_relative_to(path):
        raise CytopipeError("this folder contains the project itself", where=given)
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _is_stored_elsewhere(file: Path, root: Path) -> bool:
    """Whether git's HEAD or a preset has the content of a file, so that overwriting it loses nothing."""
    content = file.read_bytes()
    return any(content == path.read_bytes() for path in list_presets(root).values()) or content == _committed(file)


def _committed(file: Path) -> bytes | None:
    """The file as git would check it out from HEAD; None outside git, before the first commit, and if it is not in it.

    Not `git diff`, which ignores files that are marked `skip-worktree`.

    Raises:
        CytopipeError: git does not trust the folder, so that it cannot be asked.
    """
    try:
        found = subprocess.run(
            ["git", "cat-file", "--filters", f"HEAD:./{file.name}"],
            cwd=file.parent,
            capture_output=True,
            timeout=GIT_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    if found.returncode != 0 and b"dubious ownership" in found.stderr:
        raise CytopipeError(
            f"{UNTRUSTED}, so whether edits of params.yaml are committed cannot be told",
            where=file.parent.absolute(),
            hint=trust(file.parent),
        )
    return found.stdout if found.returncode == 0 else None
