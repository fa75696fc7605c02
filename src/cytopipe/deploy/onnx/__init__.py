"""Export trained models to ONNX, checked against torch before they are written."""

from __future__ import annotations

import importlib.util

from cytopipe.errors import CytopipeError

PACKAGES = ("onnx", "onnxruntime", "onnxscript")  # of the optional extra `export`
TOLERANCE = 1e-4  # default for the largest difference of a probability


def require_packages() -> None:
    """Raise CytopipeError unless all packages of the extra `export` are installed."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise CytopipeError(
            f"export needs packages that are not installed: {', '.join(missing)}",
            hint=f"pip install {' '.join(missing)} (or cytopipe with its extra: pip install -e '.[export]')",
        )
