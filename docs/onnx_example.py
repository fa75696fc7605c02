"""Classify an image by an exported model: no cytopipe and no torch, only numpy, onnxruntime and opencv-python-headless.

    cytopipe export models/classifiers/NAME
    python docs/onnx_example.py NAME.onnx IMAGE [MASK]

MASK, for a classifier that sees masks, is an image of the same size: 0 outside the cell, 255 in its nucleus, another
grey elsewhere in the cell, as cytopipe's segmenters write them.
"""

import json
import sys

import cv2
import numpy as np
import onnxruntime


def read(path: str, flags: int) -> np.ndarray:
    """The pixels of an image: H x W x 3 BGR or H x W grey, uint8."""
    pixels = cv2.imread(path, flags)
    if pixels is None:
        sys.exit(f"error: {path}: no image, or it cannot be decoded")
    return pixels


model, image, *mask = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
about = session.get_modelmeta().custom_metadata_map
size = json.loads(about["input_size"])

rgb = cv2.cvtColor(read(image, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
shrinks = min(rgb.shape[:2]) > size
item = cv2.resize(rgb, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
if mask:
    grey = read(mask[0], cv2.IMREAD_GRAYSCALE)
    grey = cv2.resize(grey, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
    item = np.dstack([item, 255 * (grey > 0).astype(np.uint8), 255 * (grey == 255).astype(np.uint8)])

probabilities, calibrated = session.run(["probabilities", "calibrated"], {"images": item[None]})  # a batch of one
for label, probability, confidence in zip(json.loads(about["classes"]), probabilities[0], calibrated[0], strict=True):
    print(f"{label}\t{probability:.6f}\t{confidence:.6f}")
