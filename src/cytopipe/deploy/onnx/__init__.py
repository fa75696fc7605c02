"""Trained models as ONNX, checked against torch before they are written."""

TOLERANCE = 1e-4  # of a probability, unless another is asked for
