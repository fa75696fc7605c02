"""Decoded values to 8-bit RGB: grey, palettes, alpha and other colour models."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from cytopipe.core.params import Alpha
from cytopipe.data.imaging.depth import to_8_bit
from cytopipe.errors import CytopipeError

BLENDED, DROPPED = "alpha blended on white", "alpha dropped"
NEVER_SET = "alpha of 0 everywhere ignored"  # programs that write four bytes a pixel often leave the fourth at 0


def eight_bit_rgb(image: Image.Image, path: Path, alpha: Alpha) -> tuple[np.ndarray, str | None]:
    """Pixels of an 8-bit image, H x W x 3 uint8, and how they were converted.

    Raises:
        CytopipeError: colours of a model that is not supported.
    """
    mode = image.mode
    if mode == "RGB":
        return np.asarray(image).copy(), _profile(image)
    if mode in ("RGBA", "LA", "PA") or (mode == "P" and "transparency" in image.info):
        return _flattened(np.asarray(image.convert("RGBA")), alpha)
    if mode in ("L", "1", "P", "CMYK", "YCbCr"):
        name = {"L": "grey", "1": "1-bit", "P": "palette"}.get(mode, mode)
        notes = [f"{name} to RGB", _profile(image)]
        return np.asarray(image.convert("RGB")).copy(), ", ".join(note for note in notes if note)
    raise CytopipeError(f"images of mode '{mode}' are not supported", where=path, hint="convert to 8-bit RGB")


def deep_rgb(
    values: np.ndarray, low_high: tuple[float, float], alpha: Alpha, path: Path
) -> tuple[np.ndarray, str | None]:
    """Values of a deep image, H x W or H x W x 2 to 4 -> H x W x 3 uint8, and how they were converted.

    Raises:
        CytopipeError: most values lie outside the range.
    """
    if values.ndim == 2:
        return np.repeat(to_8_bit(values, low_high, path)[..., None], 3, axis=2), None
    bands = values.shape[2]
    if bands == 3:
        return to_8_bit(values, low_high, path), None
    colours = values[..., [0, 0, 0]] if bands == 2 else values[..., :3]
    opacity = values[..., -1].astype(np.float64)
    # Cameras' programs write the range of the colours as opaque, others that of the type.
    whole = low_high[1] if opacity.max() <= low_high[1] else float(np.iinfo(values.dtype).max)
    opacity = np.round(opacity * (255 / whole)).clip(0, 255).astype(np.uint8)
    return _flattened(np.dstack([to_8_bit(colours, low_high, path), opacity]), alpha)


def _flattened(rgba: np.ndarray, alpha: Alpha) -> tuple[np.ndarray, str]:
    """H x W x 4 uint8 -> H x W x 3: alpha that is 0 everywhere is no transparency; else it is blended or dropped."""
    if not rgba[..., 3].any():
        return rgba[..., :3].copy(), NEVER_SET
    if alpha == "drop":
        return rgba[..., :3].copy(), DROPPED
    image = Image.fromarray(np.ascontiguousarray(rgba))
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(white, image).convert("RGB")).copy(), BLENDED


def _profile(image: Image.Image) -> str | None:
    """A note of an embedded colour profile other than sRGB, which is not applied."""
    data = image.info.get("icc_profile")
    if not data:
        return None
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(data))).strip()
    except (ImageCms.PyCMSError, OSError, TypeError):
        name = "unknown"
    return None if "srgb" in name.lower() else f"colour profile '{name}' not applied"
