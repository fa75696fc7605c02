"""What `runtime.cpu: portable` costs: the time of a training step with each network, portable over native.

`python benchmarks/portable.py PARAMS portable` prints the seconds of a step by network; `measure` alternates such
processes, because the instruction set is fixed when a process starts.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytopipe.core.params import Cpu, Params, load_params
from cytopipe.core.pipeline.processor import fix

if TYPE_CHECKING:
    from torch import nn

STEPS = 3
BATCH, SEGMENTER_SIDE = 16, 64
CLASSES = ("a", "b")
NO_HASH = "0" * 64


def measure(file: Path, rounds: int) -> dict[str, Any]:
    """Median ratio of the time of a step by network, portable over native, from alternating processes.

    Args:
        file: parameters with the networks and the runtime.
        rounds: number of processes of each kind.
    """
    seconds: dict[str, list[dict[str, float]]] = {"portable": [], "native": []}
    for _ in range(rounds):
        for cpu, found in seconds.items():
            command = [sys.executable, __file__, str(file), cpu]
            found.append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
    ratios = {
        name: [one[name] / other[name] for one, other in zip(seconds["portable"], seconds["native"], strict=True)]
        for name in seconds["portable"][0]
    }
    medians = {name: round(statistics.median(of), 3) for name, of in ratios.items()}
    return {"ratio": round(statistics.geometric_mean(medians.values()), 3), "rounds": rounds, "networks": medians}


def steps(params: Params, cpu: Cpu) -> dict[str, float]:
    """Processor seconds of a training step by name of the network, of one network for each architecture."""
    import torch

    from cytopipe.core.params import Runtime
    from cytopipe.models.determinism import prepare

    prepare(Runtime(device="cpu", cpu=cpu, num_threads=params.runtime.num_threads))
    torch.manual_seed(0)
    return {name: _step(model, *shape) for name, (model, shape) in _networks(params).items()}


def _networks(params: Params) -> dict[str, tuple[nn.Module, tuple[int, int]]]:
    from cytopipe.core.params import RANDOM_WEIGHTS
    from cytopipe.training.classification import make_classifier
    from cytopipe.training.segmentation import make_segmenter

    found: dict[str, tuple[nn.Module, tuple[int, int]]] = {}
    trained = {name: one for name, one in params.segmenters.items() if one.training}
    made: set[str] = set()
    for name, config in [*trained.items(), *params.classifiers.items()]:
        if config.architecture in made:
            continue
        made.add(config.architecture)
        if name in trained:
            model, spec = make_segmenter(trained[name], NO_HASH)
        else:
            classifier = params.classifiers[name].model_copy(update={"pretrained": RANDOM_WEIGHTS})
            side = params.datasets[classifier.dataset].image_size
            model, spec = make_classifier(classifier, CLASSES, side, NO_HASH)
        found[name] = model, (len(spec.mean), SEGMENTER_SIDE if name in trained else side)
    return found


def _step(model: nn.Module, channels: int, side: int) -> float:
    import torch

    model = model.to(memory_format=torch.channels_last).train()
    images = torch.randn(BATCH, channels, side, side).contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], fused=True)
    times = []
    for _ in range(STEPS + 1):
        start = time.process_time()
        optimizer.zero_grad()
        out = model(images)
        sum(one.square().mean() for one in (out.values() if isinstance(out, dict) else [out])).backward()
        optimizer.step()
        times.append(time.process_time() - start)
    return min(times[1:])  # the first warms up; the least is the least disturbed


if __name__ == "__main__":
    given = load_params(Path(sys.argv[1]))
    chosen: Cpu = "portable" if sys.argv[2] == "portable" else "native"
    fix(given.runtime.num_threads, chosen)
    print(json.dumps(steps(given, chosen)))
