"""timm and torchvision without torch's compiler, which still works where it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

FIRST = "import sys\nfrom cytopipe.models.without_compiler import timm, torchvision\n"
IMPORTED = "'torch._dynamo' in sys.modules"


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        (f"print({IMPORTED})", "False"),
        (f"timm.create_model('test_resnet'); print({IMPORTED})", "False"),
        ("import torch._dynamo; print(torch._dynamo.disable.__module__)", "torch._dynamo.decorators"),
        ("from torchvision.ops import roi_align as r; print(r.__globals__['is_compile_supported']('meta'))", "False"),
        (
            "from cytopipe.models.without_compiler import _disable\n"
            "plus_one = _disable(lambda number: number + 1)\n"
            f"print({IMPORTED}, plus_one(1), {IMPORTED})",
            "False 2 True",
        ),
    ],
)
def test_the_compiler_is_imported_when_it_is_asked_for(program: str, shown: str) -> None:
    done = subprocess.run([sys.executable, "-c", FIRST + program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == shown, done.stderr


def test_an_attribute_that_a_stand_in_lacks_comes_from_the_compiler_itself() -> None:
    program = (
        "import sys\n"
        "from cytopipe.models.without_compiler import _without_compiler\n"
        "with _without_compiler():\n"
        "    from torch._dynamo import graph_break\n"
        "    from torch._dynamo.utils import counters\n"
        "print(graph_break.__module__, type(counters).__name__, sys.modules['torch._dynamo'].__file__ is not None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "torch._dynamo.decorators defaultdict True", done.stderr


def test_a_compiler_that_is_there_already_stays() -> None:
    program = f"import torch._dynamo as before\n{FIRST}print(sys.modules['torch._dynamo'] is before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True", done.stderr
