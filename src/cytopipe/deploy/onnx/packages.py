"""The packages of the optional extra `export`."""

from __future__ import annotations

import importlib.util

from cytopipe.errors import CytopipeError

PACKAGES = ("onnx", "onnxruntime", "onnxscript")


def require() -> None:
    """CytopipeError unless all are installed."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise CytopipeError(
            f"export needs packages that are not installed: {', '.join(missing)}",
            hint=f"pip install {' '.join(missing)} (or cytopipe with its extra: pip install -e '.[export]')",
        )
