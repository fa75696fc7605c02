"""What libraries expect of a user's account and home folder, supplied where a container or a cluster lacks it.

Libraries ask for the user's name when they are imported (MONAI, torch), and keep caches in the home folder. In a
project the caches are inside `.cytopipe`: nothing is written outside it. Values that the user has set take precedence.
"""

from __future__ import annotations

import getpass
import os
import tempfile
from pathlib import Path

from cytopipe import paths

USER = "cytopipe"  # the name of a user id without one; it appears in no output

# Caches that cost nothing to build again, as folders in paths.CACHES.
_SMALL = {
    "MPLCONFIGDIR": "matplotlib",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "TRITON_CACHE_DIR": "triton",
    "NUMBA_CACHE_DIR": "numba",
}
# Downloads of weights, which several projects share: a folder in the home folder that exists already is used.
_DOWNLOADS = {"HF_HOME": "huggingface", "TORCH_HOME": "torch"}


def complete() -> None:
    """Set what is missing in this process's environment; call it before other libraries are imported."""
    _name_user()
    if "HOME" not in os.environ and not _has_home():
        os.environ["HOME"] = tempfile.gettempdir()
    if not Path("dvc.yaml").is_file():
        return
    caches = paths.CACHES.absolute()
    for variable, name in _SMALL.items():
        os.environ.setdefault(variable, str(caches / name))
    if "XDG_CACHE_HOME" not in os.environ:
        for variable, name in _DOWNLOADS.items():
            if not (Path.home() / ".cache" / name).is_dir():
                os.environ.setdefault(variable, str(caches / name))


def _name_user() -> None:
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):  # OSError from Python 3.13 on; ImportError on Windows
        os.environ["USER"] = os.environ["LOGNAME"] = USER


def _has_home() -> bool:
    try:
        Path.home()
    except RuntimeError:
        return False
    return True
