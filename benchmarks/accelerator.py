"""Is the training loop fit for a GPU? Judged without one, and measured on one where it is at hand.

Without: the share of time in which an accelerator would be busy, with real loading and a network that takes a GPU's
time and computes nothing; the numbers that a step reads back; and what torch.compile gains here.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from cytopipe.core.params import Classifier, Params, Training
from cytopipe.data.tensors import open_array
from cytopipe.errors import CytopipeError
from cytopipe.models.determinism import prepare
from cytopipe.training.data import Batch
from cytopipe.training.optim import make_optimizer
from training import Prepared, prepare_classifier, random_items

SIZE, BATCH, STEPS = 224, 64, 20
AUGMENT = {"flips": True, "rotation": 20, "zoom": 0.1, "brightness": 0.15, "contrast": 0.15, "saturation": 0.1}
GPU_CORES = 16  # processor cores beside one GPU
GPU_RATE = 2400.0  # images/s that one GPU trains: about ConvNeXt-tiny at 224 px in bf16 on an H100
PEAK = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12}  # bf16 without sparsity, operations per second
READS = ("aten::item", "aten::is_nonzero", "aten::equal")


class Accelerator:
    """The time line of a device that works through a queue of steps of equal length.

    Args:
        seconds: time of one step.
        lead: steps that the host may be ahead; 0 waits for every step, as a loop that reads the loss does.
    """

    def __init__(self, seconds: float, lead: int) -> None:
        self.seconds, self.lead, self.busy, self.free_at = seconds, lead, 0.0, 0.0

    def submit(self) -> None:
        """Queue a step, and wait until the host is no more than `lead` steps ahead."""
        self.free_at = max(self.free_at, time.perf_counter()) + self.seconds
        self.busy += self.seconds
        time.sleep(max(0.0, self.free_at - self.lead * self.seconds - time.perf_counter()))

    def finish(self) -> None:
        """Wait for the last step."""
        time.sleep(max(0.0, self.free_at - time.perf_counter()))


class OnAccelerator:
    """A task whose network runs on the accelerator: here it only takes its time."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator, self.model = accelerator, nn.Linear(1, 1)

    def step(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """A loss of the only weight."""
        self.accelerator.submit()
        return self.model.weight.sum(), {}


def measure(params: Params, folder: Path, workers: int, rounds: int) -> dict[str, Any]:
    """Judge the loop.

    Args:
        params: parameters; their first classifier is compiled, and its steps are searched for transfers.
        folder: folder for the arrays.
        workers: loader threads.
        rounds: epochs, of which the median is taken.
    """
    device = prepare(params.runtime)
    config = next(iter(params.classifiers.values()))
    results: dict[str, Any] = {"reads_in_a_step": _reads(config, folder), "compiled": _compiled(config, folder, rounds)}
    # As much of the processor for each image as beside a GPU.
    rate = GPU_RATE * (os.cpu_count() or 1) / GPU_CORES
    results["assumed_images_per_second"] = {"gpu": GPU_RATE, "cores": GPU_CORES, "scaled": round(rate)}
    array_folder = folder / "busy"
    array_folder.mkdir()
    random_items(array_folder / "items.npy", SIZE, BATCH * 4)
    results["busy_share"] = {
        f"augment_on_{place}_{what}": _busy_share(array_folder, rate, lead, place, workers, rounds)
        for place in ("host", "device")
        for what, lead in (("queued", 2), ("waiting_for_each_step", 0))
    }
    if device.type == "cuda":
        results["cuda"] = _on_gpu(folder, workers)
    return results


def _busy_share(folder: Path, rate: float, lead: int, place: str, workers: int, rounds: int) -> dict[str, float]:
    """Share of an epoch in which the accelerator works, whose augmentation costs this host nothing.

    The share of the host's processor time that the loop needs meanwhile does not depend on what else the machine does:
    above 1 the accelerator waits.
    """
    recipe = _recipe(augment_on=place, steps_per_epoch=STEPS)
    accelerator = Accelerator(BATCH / rate, lead)
    task: Any = OnAccelerator(accelerator)
    cpu = torch.device("cpu")
    unchanged = recipe.model_copy(update={"augment_on": "host"})  # for the feeder, which must not augment here
    prepared = Prepared(
        task, recipe, open_array(folder / "items.npy"), cpu, make_optimizer(task.model.parameters(), recipe)
    )
    loader = prepared.loader(workers)
    shares, needed = [], []
    for epoch in range(rounds):
        start, used, accelerator.busy = time.perf_counter(), time.process_time(), 0.0
        Prepared(task, unchanged, prepared.array, cpu, prepared.optimizer).train(loader.epoch(epoch))
        accelerator.finish()
        shares.append(accelerator.busy / (time.perf_counter() - start))
        needed.append((time.process_time() - used) / (accelerator.busy * (os.cpu_count() or 1)))
    return {"busy": round(statistics.median(shares), 3), "processor": round(statistics.median(needed), 3)}


def _recipe(**changes: Any) -> Training:
    given = {"epochs": 1, "batch_size": BATCH, "precision": "bf16", "augment": AUGMENT, **changes}
    return Training.model_validate(given)


def _reads(config: Classifier, folder: Path) -> float:
    """Numbers read back per step, but for those that only the CPU's own optimiser reads (its counts of steps)."""
    prepared = prepare_classifier(config, folder, 64, 64, torch.device("cpu"))
    batch = next(prepared.loader(0).epoch(0))
    counts = []
    for steps in (1, 3):
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            prepared.train(iter([batch] * steps))
        counts.append(sum(event.name in READS and not _fused(event.cpu_parent) for event in profiled.events()))
    return (counts[1] - counts[0]) / 2


def _fused(event: Any) -> bool:
    return event is not None and ("_fused_" in event.name or _fused(event.cpu_parent))


def _compiled(config: Classifier, folder: Path, rounds: int) -> dict[str, Any] | str:
    """How many times as fast the steps of a compiled network are, and the seconds of compiling."""
    plain = prepare_classifier(config, folder, 64, 64, torch.device("cpu"))
    try:
        faster = prepare_classifier(config, folder, 64, 64, torch.device("cpu"), compile=True)
    except CytopipeError as error:
        return str(error)
    batch = next(plain.loader(0).epoch(0))
    start = time.perf_counter()
    faster.train(iter([batch]))
    compiling = time.perf_counter() - start
    ratios = []
    for _ in range(rounds):
        seconds = [_seconds(prepared, [batch] * 4) for prepared in (plain, faster)]
        ratios.append(seconds[0] / seconds[1])
    return {"speed_up": round(statistics.median(ratios), 2), "seconds_of_compiling": round(compiling, 1)}


def _seconds(prepared: Prepared, batches: list[Batch]) -> float:
    start = time.process_time()  # of this process: others may share the machine
    prepared.train(iter(batches))
    return time.process_time() - start


def _on_gpu(folder: Path, workers: int) -> dict[str, Any]:
    """ConvNeXt-tiny at 224 px in bf16 on the GPU, with real loading: its speed, busy share and share of peak."""
    device = torch.device("cuda")
    config = Classifier.model_validate(
        {
            "dataset": "none",
            "architecture": "timm/convnext_tiny",
            "channels": "rgb",
            "training": _recipe(augment_on="device", steps_per_epoch=STEPS),
        }
    )
    prepared = prepare_classifier(config, folder, SIZE, BATCH * STEPS, device)
    loader = prepared.loader(workers)
    batch = next(loader.epoch(0))
    with FlopCounterMode(display=False) as counter:
        prepared.train(iter([batch]))
    prepared.train(loader.epoch(1))
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        start = time.perf_counter()
        prepared.train(loader.epoch(2))  # ends by reading the loss, that is when the GPU is done
        seconds = time.perf_counter() - start
    busy = sum(event.self_device_time_total for event in profiled.key_averages()) / 1e6
    name = torch.cuda.get_device_name(device)
    peak = next((value for model, value in PEAK.items() if model in name), None)
    rate = counter.get_total_flops() * len(loader) / seconds
    return {
        "gpu": name,
        "images_per_second": round(len(loader) * BATCH / seconds),
        "busy_share": round(busy / seconds, 3),
        "share_of_peak": None if peak is None else round(rate / peak, 3),
    }
