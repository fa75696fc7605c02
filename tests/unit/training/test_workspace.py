from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from cytopipe.core.params import Runtime
from cytopipe.training.workspace import Workspace


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Restore the global settings of torch after each test."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(strict)


def test_a_workspace_has_the_folders_and_the_callback_of_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told: list[tuple[str, dict[str, float]]] = []

    class Stage(SimpleNamespace):
        params = SimpleNamespace(runtime=Runtime(device="cpu", cpu="native", num_threads=1, num_workers=2))
        checkpoints = Path("checkpoints/key")

        def scratch(self) -> nullcontext[Path]:
            return nullcontext(tmp_path / "scratch")

        def on_epoch(self, part: str, measures: dict[str, float]) -> None:
            told.append((part, measures))

    with Workspace.of_stage(Stage()) as place:  # type: ignore[arg-type]  # what it uses of a stage
        assert (place.device.type, place.num_workers, place.part) == ("cpu", 2, "")
        assert place.scratch == tmp_path / "scratch" and place.checkpoint.folder == Path("checkpoints/key")
        fold = place.of("folds/1")
        assert fold.scratch == tmp_path / "scratch/folds/1" and fold.scratch.is_dir()
        assert fold.checkpoint.folder == Path("checkpoints/key/folds/1")
        assert place.of("").checkpoint.folder == Path("checkpoints/key/main")
        fold.tell({"epoch": 1})
        fold.of("refit").tell({"epoch": 2})
    assert told == [("folds/1", {"epoch": 1}), ("folds/1/refit", {"epoch": 2})]
