"""ONNX Runtime on the CPU."""

from __future__ import annotations

import numpy as np

from cytopipe.deploy.onnx.source import INPUT


class Session:
    """An ONNX file, ready to run.

    Args:
        data: the file's bytes.
        threads: of one run.

    Attributes:
        inputs, outputs: name and shape of each.
    """

    def __init__(self, data: bytes, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors
        # Threads that wait for the next run would take the cores from whatever is timed in turn with it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self.inputs: dict[str, list[int | str]] = {one.name: one.shape for one in self._session.get_inputs()}
        self.outputs: dict[str, list[int | str]] = {one.name: one.shape for one in self._session.get_outputs()}

    def __call__(self, items: np.ndarray) -> dict[str, np.ndarray]:
        """N x S x S x C uint8 -> every output by name."""
        return dict(zip(self.outputs, self._session.run(None, {INPUT: items}), strict=True))
